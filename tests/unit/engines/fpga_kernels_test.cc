// SPDX-License-Identifier: MIT
//
// The kernels that no network needs, against the standards' examples or the definition.
#include "harness.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>

namespace acc::emu::test
{
namespace
{

std::vector<uint8_t> from_hex(std::string_view text)
{
    std::vector<uint8_t> bytes;
    for (size_t i = 0; i + 1 < text.size(); i += 2)
        bytes.push_back(
            static_cast<uint8_t>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
    return bytes;
}

TEST(FpgaKernels, FftIsTheDefinition)
{
    Fpga fpga({ACC_ROLE_FFT_F32});
    std::mt19937_64 random(1);
    std::uniform_real_distribution<float> value(-1, 1);
    for (const uint32_t log2 : {1u, 2u, 5u, 8u})
        for (const uint32_t inverse : {0u, 1u}) {
            const size_t n = size_t{1} << log2, batch = 3;
            std::vector<float> x(batch * n * 2);
            for (float &v : x)
                v = value(random);
            acc_fft_args args = {};
            args.src = fpga.memory.store(x, 4);
            args.dst = fpga.memory.allocate(x.size() * 4, 8);
            args.log2_points = log2;
            args.batch = batch;
            args.inverse = inverse;
            ASSERT_EQ(fpga(ACC_ROLE_FFT_F32, args).status, ACC_STATUS_OK);
            const auto y = fpga.memory.load<float>(args.dst, x.size());
            for (size_t b = 0; b < batch; b++)
                for (size_t k = 0; k < n; k++) {
                    std::complex<double> sum = 0;
                    for (size_t i = 0; i < n; i++)
                        sum += std::complex<double>(x[(b * n + i) * 2], x[(b * n + i) * 2 + 1]) *
                               std::polar(1.0, (inverse ? 2 : -2) * std::numbers::pi *
                                                   static_cast<double>(i * k % n) /
                                                   static_cast<double>(n));
                    ASSERT_NEAR(y[(b * n + k) * 2], sum.real(), 1e-4);
                    ASSERT_NEAR(y[(b * n + k) * 2 + 1], sum.imag(), 1e-4);
                }
        }
}

TEST(FpgaKernels, Sha256OfTheStandardsExamples)
{
    Fpga fpga({ACC_ROLE_SHA256});
    const auto digest = [&](const std::string &text) {
        acc_sha256_args args = {};
        args.bytes = text.size();
        if (!text.empty())
            args.src = fpga.memory.store(std::vector<char>(text.begin(), text.end()), 7);
        args.dst = fpga.memory.allocate(32, 5);
        EXPECT_EQ(fpga(ACC_ROLE_SHA256, args).status, ACC_STATUS_OK);
        return fpga.memory.load<uint8_t>(args.dst, 32);
    };
    EXPECT_EQ(digest("abc"),
              from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    EXPECT_EQ(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
              from_hex("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
    EXPECT_EQ(digest(""),
              from_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    EXPECT_EQ(digest(std::string(1'000'000, 'a')),
              from_hex("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
}

TEST(FpgaKernels, SortsAndCounts)
{
    Fpga fpga({ACC_ROLE_SORT_I32, ACC_ROLE_HISTOGRAM_U8});
    std::mt19937_64 random(2);
    for (const size_t count : {1, 2, 1000, 1 << 17}) {
        auto values = random_values<int32_t>(random, count, INT32_MIN, INT32_MAX);
        acc_sort_args args = {};
        args.src = args.dst = fpga.memory.store(values, 4);
        args.count = count;
        ASSERT_EQ(fpga(ACC_ROLE_SORT_I32, args).status, ACC_STATUS_OK);
        std::stable_sort(values.begin(), values.end());
        ASSERT_EQ(fpga.memory.load<int32_t>(args.dst, count), values);
    }
    const auto bytes = random_values<uint8_t>(random, 50'000, 0, 200);
    acc_histogram_args args = {};
    args.src = fpga.memory.store(bytes, 3);
    args.dst = fpga.memory.allocate(1024);
    args.count = bytes.size();
    ASSERT_EQ(fpga(ACC_ROLE_HISTOGRAM_U8, args).status, ACC_STATUS_OK);
    const auto counts = fpga.memory.load<uint32_t>(args.dst, 256);
    for (int v = 0; v < 256; v++)
        EXPECT_EQ(counts[v], std::count(bytes.begin(), bytes.end(), static_cast<uint8_t>(v)));
}

TEST(FpgaKernels, FirIsTheDefinition)
{
    Fpga fpga({ACC_ROLE_FIR_I32});
    std::mt19937_64 random(3);
    for (const uint32_t taps : {1u, 7u, 256u})
        for (const size_t count : {1, 100, 20'000}) {
            const auto x = random_values<int32_t>(random, count, INT32_MIN, INT32_MAX);
            const auto c = random_values<int32_t>(random, taps, INT32_MIN, INT32_MAX);
            acc_fir_args args = {};
            args.src = fpga.memory.store(x);
            args.dst = fpga.memory.allocate(count * 4, 4);
            args.taps = fpga.memory.store(c);
            args.count = count;
            args.tap_count = taps;
            ASSERT_EQ(fpga(ACC_ROLE_FIR_I32, args).status, ACC_STATUS_OK);
            const auto y = fpga.memory.load<uint32_t>(args.dst, count);
            for (size_t n = 0; n < count; n += 1 + n / 50) {
                uint32_t sum = 0;
                for (size_t k = 0; k < taps && k <= n; k++)
                    sum += static_cast<uint32_t>(c[k]) * static_cast<uint32_t>(x[n - k]);
                ASSERT_EQ(y[n], sum) << n;
            }
        }
}

// NIST SP 800-38A, F.5.1 and F.5.5.
TEST(FpgaKernels, AesCtrOfTheStandardsExamples)
{
    Fpga fpga({ACC_ROLE_AES_CTR});
    const auto plain = from_hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                                "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
    const auto encrypted = [&](std::string_view key, size_t bytes) {
        acc_aes_ctr_args args = {};
        args.src = fpga.memory.store(plain, 1);
        args.dst = fpga.memory.allocate(bytes);
        args.bytes = bytes;
        const auto k = from_hex(key);
        args.key_bytes = static_cast<uint32_t>(k.size());
        std::copy(k.begin(), k.end(), args.key);
        const auto iv = from_hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
        std::copy(iv.begin(), iv.end(), args.iv);
        EXPECT_EQ(fpga(ACC_ROLE_AES_CTR, args).status, ACC_STATUS_OK);
        return fpga.memory.load<uint8_t>(args.dst, bytes);
    };
    EXPECT_EQ(encrypted("2b7e151628aed2a6abf7158809cf4f3c", 64),
              from_hex("874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
                       "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee"));
    EXPECT_EQ(encrypted("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 20),
              from_hex("601ec313775789a5b7a7f504bbf3d228f443e3ca"));
}

TEST(FpgaKernels, RefuseWhatTheyDoNotKnow)
{
    Fpga fpga({ACC_ROLE_FFT_F32, ACC_ROLE_SORT_I32, ACC_ROLE_FIR_I32, ACC_ROLE_AES_CTR});
    const auto refused = [](const Outcome &outcome, std::string_view part) {
        EXPECT_EQ(outcome.status, ACC_STATUS_INVALID_KERNARG);
        EXPECT_NE(outcome.dispatch.text.find(part), std::string::npos) << outcome.dispatch.text;
    };
    acc_fft_args fft = {4096, 4096, 16, 1, 0, 0};
    refused(fpga(ACC_ROLE_FFT_F32, fft), "log2_points from 1 to 15; found 16");
    acc_sort_args sort = {4096, 4096, (1u << 17) + 1, 0};
    refused(fpga(ACC_ROLE_SORT_I32, sort), "count from 1 to 131072; found 131073");
    acc_fir_args fir = {4096, 4096, 4096, 1, 257, 0};
    refused(fpga(ACC_ROLE_FIR_I32, fir), "tap_count from 1 to 256; found 257");
    acc_aes_ctr_args aes = {};
    aes.src = aes.dst = 4096;
    aes.bytes = 1;
    aes.key_bytes = 24;
    refused(fpga(ACC_ROLE_AES_CTR, aes), "key_bytes of 16 or 32; found 24");
}

} // namespace
} // namespace acc::emu::test
