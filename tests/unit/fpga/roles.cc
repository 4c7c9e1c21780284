// SPDX-License-Identifier: MIT
#include "roles.h"

#include "program/images.h"
#include "program/program_writer.h"
#include "program/text.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <unistd.h>

namespace acc::test
{

namespace
{
uint64_t address_of(const Buffer &buffer)
{
    return reinterpret_cast<uint64_t>(acc_buffer_data(buffer.get()));
}
} // namespace

RoleService::RoleService(const char *spec)
{
    char folder[] = "/tmp/acc-test-XXXXXX";
    EXPECT_TRUE(mkdtemp(folder));
    folder_ = folder;
    emu::ServerOptions options;
    options.devices.assign(1, spec);
    options.path = folder_ + "/acc.sock";
    uri_ = "unix:" + options.path + "#0";
    std::string why;
    auto server = emu::Server::create(std::move(options), why);
    EXPECT_TRUE(server) << why;
    if (!server) return;
    server_ = std::move(*server);
    thread_ = std::thread([this] { (void)server_->run(); });
}

RoleService::~RoleService()
{
    if (server_) server_->stop();
    if (thread_.joinable()) thread_.join();
    server_.reset();
    (void)rmdir(folder_.c_str());
}

std::vector<std::byte> read_file(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(file) << path;
    std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    const auto *from = reinterpret_cast<const std::byte *>(bytes.data());
    return {from, from + bytes.size()};
}

std::vector<std::byte> native_image(std::span<const std::byte> code,
                                    std::vector<std::string_view> roles,
                                    const NativeOptions &options)
{
    program::ProgramWriter writer;
    program::FpgaNative native;
    native.kind = options.kind;
    native.code = code;
    acc_unit_desc unit = {};
    unit.target = ACC_TARGET_FPGA;
    unit.class_id = options.class_id;
    unit.capacity = options.takes[0];
    program::set_name(unit.name, "roles");
    acc_unit_resources takes = {};
    takes.unit = writer.add_unit(unit);
    std::memcpy(takes.amount, options.takes, sizeof takes.amount);
    writer.add_resources(takes);
    writer.set_shell(options.shell);
    for (uint32_t k = 0; k < roles.size(); k++) {
        native.roles.push_back(roles[k]);
        for (uint32_t i = 0; i < 4; i++)
            native.registers.push_back({k, i * 8, 0x10 + i * 8, 8});
        acc_kernel_desc kernel = {};
        kernel.target = ACC_TARGET_FPGA;
        kernel.kernarg_bytes = 32;
        program::set_name(kernel.name, roles[k]);
        writer.add_kernel(kernel);
    }
    writer.set_image(ACC_TARGET_FPGA, program::encode_fpga_native(native));
    std::string why;
    auto image = writer.finish(&why);
    EXPECT_TRUE(image) << why;
    return image ? *image : std::vector<std::byte>{};
}

size_t region_processes()
{
    size_t count = 0;
    std::error_code error;
    for (const auto &task : std::filesystem::directory_iterator("/proc/self/task", error)) {
        std::ifstream children(task.path() / "children");
        for (std::string pid; children >> pid;) {
            std::ifstream comm("/proc/" + pid + "/comm");
            std::string name;
            count += std::getline(comm, name) && name == "acc-region";
        }
    }
    return count;
}

TrustedKey::TrustedKey() : key_(program::generate_key())
{
    char folder[] = "/tmp/acc-keys-XXXXXX";
    EXPECT_TRUE(mkdtemp(folder));
    folder_ = folder;
    EXPECT_TRUE(key_);
    std::string why;
    EXPECT_EQ(program::write_public_key(folder_ + "/test.pub", key_->public_key(), &why), 0) << why;
}

TrustedKey::~TrustedKey()
{
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
}

std::vector<std::byte> TrustedKey::sign(std::span<const std::byte> image) const
{
    std::string why;
    auto out = program::sign(image, *key_, &why);
    EXPECT_TRUE(out) << why;
    return out ? *out : std::vector<std::byte>{};
}

RoleClient::RoleClient(const std::string &uri, uint64_t timeout_ns) : timeout_ns_(timeout_ns)
{
    acc_device *device = nullptr;
    EXPECT_EQ(acc_device_open(uri.c_str(), nullptr, &device), 0) << acc_error_text();
    device_ = Device(device);
    acc_buffer *buffer = nullptr;
    EXPECT_EQ(acc_buffer_create(device, 4096, nullptr, &buffer), 0) << acc_error_text();
    kernargs_ = Buffer(buffer);
}

void RoleClient::load(std::span<const std::byte> image)
{
    acc_program *program = nullptr;
    ASSERT_EQ(acc_program_load(device_.get(), image.data(), image.size(), &program), 0)
        << acc_error_text();
    programs_.emplace_back(program);
}

int RoleClient::refused(std::span<const std::byte> image, std::string &text)
{
    acc_program *program = nullptr;
    const int error = acc_program_load(device_.get(), image.data(), image.size(), &program);
    text = acc_error_text();
    if (!error) acc_program_unload(program);
    return error;
}

uint64_t RoleClient::buffer(size_t bytes)
{
    acc_buffer *buffer = nullptr;
    EXPECT_EQ(acc_buffer_create(device_.get(), bytes, nullptr, &buffer), 0) << acc_error_text();
    buffers_.emplace_back(buffer);
    return address_of(buffers_.back());
}

void RoleClient::free_buffer(uint64_t address)
{
    std::erase_if(buffers_,
                  [address](const Buffer &buffer) { return address_of(buffer) == address; });
}

void RoleClient::start(const char *kernel, std::vector<uint64_t> arguments)
{
    arguments.resize(16);
    std::memcpy(at<void>(address_of(kernargs_)), arguments.data(), 16 * 8);
    if (!queue_) {
        auto options = acc_init<acc_queue_options>();
        options.timeout_ns = timeout_ns_;
        acc_queue *queue = nullptr;
        ASSERT_EQ(acc_queue_create(device_.get(), &options, &queue), 0) << acc_error_text();
        queue_ = Queue(queue);
    }
    acc_device *const device = device_.get();
    acc_signal *signal = nullptr;
    ASSERT_EQ(acc_signal_create(&device, 1, 1, &signal), 0) << acc_error_text();
    done_ = Signal(signal);
    auto info = acc_init<acc_kernel_info>();
    bool found = false;
    for (const Program &program : programs_)
        found = found || acc_program_find(program.get(), kernel, &info) == 0;
    ASSERT_TRUE(found) << kernel;
    acc_packet packet = {};
    packet.dispatch.header = ACC_HEADER(ACC_PACKET_DISPATCH, 0);
    packet.dispatch.setup = 1;
    packet.dispatch.workgroup_x = packet.dispatch.workgroup_y = packet.dispatch.workgroup_z = 1;
    packet.dispatch.grid_x = packet.dispatch.grid_y = packet.dispatch.grid_z = 1;
    packet.dispatch.kernel_object = info.kernel_object;
    packet.dispatch.kernarg_address = address_of(kernargs_);
    packet.dispatch.completion_signal = acc_signal_address(signal);
    ASSERT_EQ(acc_queue_submit(queue_.get(), &packet, 1, ACC_FOREVER, nullptr), 0)
        << acc_error_text();
}

Completion RoleClient::finish()
{
    Completion out;
    EXPECT_EQ(acc_signal_wait(done_.get(), ACC_COND_LT, 1, acc_deadline(60'000'000'000), nullptr),
              0)
        << acc_error_text();
    auto result = acc_init<acc_signal_result>();
    EXPECT_EQ(acc_signal_get_result(done_.get(), &result), 0) << acc_error_text();
    out.status = result.status;
    out.ns = result.modelled_ns;
    if (result.status != ACC_STATUS_OK) {
        auto fault = acc_init<acc_fault_info>();
        if (acc_device_get_fault(device_.get(), 0, &fault) == 0) {
            out.text = fault.text;
            out.address = fault.address;
        }
        queue_ = Queue();
    }
    return out;
}

Completion RoleClient::run(const char *kernel, std::vector<uint64_t> arguments)
{
    start(kernel, std::move(arguments));
    return finish();
}

} // namespace acc::test
