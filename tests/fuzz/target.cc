// SPDX-License-Identifier: MIT
//
// A libFuzzer target: feeds FUZZ_TRY of FUZZ_HEADER. With `--seeds FOLDER` it writes what
// FUZZ_SEEDS gives instead, one file for each: a corpus to start from.
#include FUZZ_HEADER

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace
{

int write_seeds(const std::string &folder)
{
    std::filesystem::create_directories(folder);
    int number = 0;
    for (const auto &seed : acc::fuzz::FUZZ_SEEDS()) {
        const std::string path = folder + "/seed" + std::to_string(number++);
        std::FILE *file = std::fopen(path.c_str(), "wb");
        if (!file || std::fwrite(seed.data(), 1, seed.size(), file) != seed.size() ||
            std::fclose(file)) {
            std::fprintf(stderr, "%s can't be written\n", path.c_str());
            return 1;
        }
    }
    return 0;
}

} // namespace

// Called before libFuzzer reads the command line.
extern "C" int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    if (*count == 3 && std::string_view((*arguments)[1]) == "--seeds")
        std::exit(write_seeds((*arguments)[2]));
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    acc::fuzz::FUZZ_TRY(std::as_bytes(std::span(data, size)));
    return 0;
}
