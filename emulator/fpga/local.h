// SPDX-License-Identifier: MIT
//
// Roles of signed images in the device's own process, on the thread that runs the dispatch. What
// such a role does wrong is done to all: only the opener of an embedded device may want that.
//
// Thread safety: one slot's LocalRoles by one thread at a time; LocalImages is any thread's.
#pragma once

#include "emulator/fpga/process/region_process.h"
#include "emulator/fpga/process/runner.h"

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace acc::emu::fpga
{

// An image that is mapped here. Several slots may have roles of it.
class LocalImage
{
public:
    // Null, and `why`.
    static std::shared_ptr<LocalImage> open(const Image &image, std::string &why);
    ~LocalImage();
    LocalImage(const LocalImage &) = delete;
    LocalImage &operator=(const LocalImage &) = delete;

    const acc_role_library &library() const { return *library_; }

private:
    LocalImage() = default;
    void *handle_ = nullptr;
    const acc_role_library *library_ = nullptr;
};

class LocalImages
{
public:
    // The one that is mapped already, or it is now.
    std::shared_ptr<LocalImage> get(const Image &image, std::string &why);

private:
    std::mutex mutex_;
    std::map<std::array<uint8_t, 32>, std::weak_ptr<LocalImage>> images_; // by digest
};

// The roles of one image for one client.
class LocalRoles
{
public:
    // Created and reset. `trace`: where the waveform goes, if anywhere. Null, and `why`.
    static std::unique_ptr<LocalRoles> create(std::shared_ptr<LocalImage> image, UniqueFd trace,
                                              std::string &why);

    // As RegionProcess::run(). After a TIMEOUT or an ENGINE_ERROR it is not to be used again.
    acc_status run(Dispatch &dispatch, const RunOrder &order, uint64_t &cycles);

private:
    LocalRoles(std::shared_ptr<LocalImage> image, UniqueFd trace)
        : image_(std::move(image)), trace_(std::move(trace))
    {
    }

    const std::shared_ptr<LocalImage> image_; // outlives the runner
    const UniqueFd trace_;
    std::unique_ptr<Runner> runner_;
};

} // namespace acc::emu::fpga
