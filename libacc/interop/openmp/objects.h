// SPDX-License-Identifier: MIT
//
// The ELF objects whose functions are target regions, in memory that the device reads: files of
// this process's program and libraries, found by a function's address, or images that a runtime
// hands over, whose functions and variables are found by name.
//
// Thread safety: all functions are any thread's; what they return lives as long as the table.
#pragma once

#include "acc/acc.h"
#include "elf_object.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace acc::openmp
{

class Objects
{
public:
    struct Object {
        uint64_t id = 0;
        std::string path; // or what it is called
        acc_buffer *buffer = nullptr;
        size_t bytes = 0;            // of the file
        acc_buffer *place = nullptr; // where it is laid out; null: in each region's own memory
        std::unique_ptr<ElfObject> placed;
    };
    // A function of one.
    struct Function {
        const Object *object = nullptr;
        uint64_t entry = 0; // a virtual address of the object
    };

    explicit Objects(acc_device *device) : device_(device) {}
    ~Objects();
    Objects(const Objects &) = delete;
    Objects &operator=(const Objects &) = delete;

    // The object of this process that holds the code at `address`. Null: `why`.
    const Function *find(const void *address, std::string &why);
    // The object of a file that this process has mapped. Null: `why`.
    const Object *of_file(const std::string &path, std::string &why);
    // A shared library in memory, of which a copy is made; `name` is for errors. Null: `why`.
    const Object *add_image(const std::string &name, const void *file, size_t bytes,
                            std::string &why);
    // Of an image. Null: it defines none of that name and size.
    const Function *find_function(const Object &image, const char *name);
    void *find_variable(const Object &image, const char *name, size_t bytes) const;
    // Of any object: where the device has the `bytes` bytes at this virtual address of its own.
    // Null: it is not placed, or has no such.
    static void *find_placed(const Object &object, uint64_t address, size_t bytes);
    // "main._omp_fn.0 of a.out", or as near as the object's symbols come.
    static std::string name_of(const Function &function);

    // What the dynamic linker calls the program.
    static constexpr const char *kSelf = "/proc/self/exe";

private:
    const Object *add_file(const std::string &path, std::string &why);
    std::string lay_out(Object &object);

    acc_device *const device_;
    std::shared_mutex mutex_; // of all that follows
    std::unordered_map<const void *, Function> functions_;
    std::map<std::string, std::unique_ptr<Object>> objects_; // by path
    std::vector<std::unique_ptr<Object>> images_;
    std::vector<std::unique_ptr<Function>> image_functions_;
    uint64_t last_id_ = 0;
};

} // namespace acc::openmp
