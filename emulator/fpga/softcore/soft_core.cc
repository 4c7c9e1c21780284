// SPDX-License-Identifier: MIT
#include "emulator/fpga/softcore/soft_core.h"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>

// Saves what a function must leave as it found it (System V ABI, x86-64, 3.2.1) on the stack,
// keeps the stack pointer in *save and goes on where `load` was saved.
extern "C" void acc_fiber_switch(void **save, void *load);
asm(R"(
    .text
    .p2align 4
    .type acc_fiber_switch, @function
acc_fiber_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    subq $8, %rsp
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size acc_fiber_switch, . - acc_fiber_switch
)");

namespace acc::emu::fpga
{
namespace
{

constexpr size_t kPage = 4096;
constexpr size_t kSavedWords = 7; // six registers, and the control words of the two units

// Whose item begins: a new stack has no arguments.
thread_local SoftCore *core;

} // namespace

SoftCore::~SoftCore()
{
    free_stacks();
}

void SoftCore::free_stacks()
{
    if (stacks_) munmap(stacks_, stack_count_ * (stack_bytes_ + kPage));
    stacks_ = nullptr;
    stack_count_ = 0;
}

bool SoftCore::make_stacks(uint32_t items, size_t bytes)
{
    if (stacks_ && stack_count_ >= items && stack_bytes_ >= bytes) return true;
    free_stacks();
    const size_t all = items * (bytes + kPage);
    void *const made =
        mmap(nullptr, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made == MAP_FAILED) return false;
    stacks_ = static_cast<char *>(made);
    stack_bytes_ = bytes;
    stack_count_ = items;
    for (uint32_t i = 0; i < items; i++)
        if (mprotect(stacks_ + i * (bytes + kPage) + kPage, bytes, PROT_READ | PROT_WRITE)) {
            free_stacks();
            return false;
        }
    const auto start = reinterpret_cast<uint64_t>(stacks_);
    if (stacks_changed_) stacks_changed_(start, start + all);
    return true;
}

// A stack as acc_fiber_switch leaves one, that returns into begin().
void SoftCore::prepare(uint32_t index)
{
    Item &item = items_[index];
    item = {};
    item.local[0] = index % group_->local[0];
    item.local[1] = index / group_->local[0] % group_->local[1];
    item.local[2] = index / group_->local[0] / group_->local[1];
    char *const top = stacks_ + (index + 1) * (stack_bytes_ + kPage);
    // begin() finds the stack as behind a call: 8 bytes below a multiple of 16.
    auto *word = reinterpret_cast<uint64_t *>(top) - 2;
    word[1] = 0; // nobody to return to
    word[0] = reinterpret_cast<uint64_t>(&SoftCore::begin);
    word -= kSavedWords;
    std::memset(word, 0, kSavedWords * sizeof *word);
    uint32_t mxcsr = 0;
    uint16_t control = 0;
    asm volatile("stmxcsr %0" : "=m"(mxcsr));
    asm volatile("fnstcw %0" : "=m"(control));
    word[0] = mxcsr | uint64_t{control} << 32;
    item.stack_pointer = word;
}

void SoftCore::begin()
{
    SoftCore *const mine = core;
    Item *const item = mine->running_;
    mine->group_->item(mine->group_->argument, item->local);
    item->state = State::Ended;
    acc_fiber_switch(&item->stack_pointer, mine->scheduler_);
    __builtin_trap(); // nobody switches to what has ended
}

void SoftCore::barrier(uint32_t id)
{
    Item *const item = running_;
    if (!item) return; // outside of run(): nobody to wait for
    item->state = State::Waits;
    item->at = id;
    acc_fiber_switch(&item->stack_pointer, scheduler_);
}

SoftCore::End SoftCore::run(const acc_work_group &group)
{
    uint64_t count = 1;
    for (const uint32_t size : group.local)
        count *= std::min(size, kMaxWorkItems + 1); // no wrap
    if (running_ || group.size < sizeof group || !group.item || !count || count > kMaxWorkItems ||
        group.stack_bytes > kMaxStackBytes)
        return End::Invalid;
    const size_t wanted = group.stack_bytes ? group.stack_bytes : kDefaultStackBytes;
    const size_t bytes = (wanted + kPage - 1) / kPage * kPage;
    if (!make_stacks(static_cast<uint32_t>(count), bytes)) return End::NoMemory;
    group_ = &group;
    core = this;
    items_.resize(count);
    for (uint32_t i = 0; i < count; i++)
        prepare(i);
    for (;;) {
        for (Item &item : items_) {
            if (item.state == State::Ended) continue;
            item.state = State::Ready;
            running_ = &item;
            acc_fiber_switch(&scheduler_, item.stack_pointer);
            running_ = nullptr;
        }
        const Item &first = items_.front();
        const bool together = std::all_of(items_.begin(), items_.end(), [&](const Item &item) {
            return item.state == first.state && item.at == first.at;
        });
        if (first.state == State::Ended && together) return End::Done;
        if (!together) return End::Divergent;
    }
}

} // namespace acc::emu::fpga
