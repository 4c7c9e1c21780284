// SPDX-License-Identifier: MIT
#include "emulator/pci/pci.h"

#include "emulator/pci/mpqemu.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>

namespace acc::emu
{

namespace
{

Result<UniqueFd> listen_at(const std::string &path, std::string &why)
{
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        why = "expected a path of at most " + std::to_string(sizeof address.sun_path - 1) +
              " bytes; found '" + path + "'";
        return Error{-ENAMETOOLONG};
    }
    path.copy(address.sun_path, path.size());
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // The folder is ours alone: what is there is what an earlier run left.
    (void)unlink(path.c_str());
    if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) ||
        listen(fd.get(), 4)) {
        const int error = errno;
        why = path + ": " + std::strerror(error);
        return Error{-error};
    }
    return fd;
}

int make_folder(const std::string &folder, std::string &why)
{
    if (mkdir(folder.c_str(), 0700) && errno != EEXIST) {
        const int error = errno;
        why = folder + ": " + std::strerror(error);
        return -error;
    }
    struct stat status = {};
    if (stat(folder.c_str(), &status) || !S_ISDIR(status.st_mode)) {
        why = folder + ": expected a folder";
        return -ENOTDIR;
    }
    if (status.st_uid == geteuid() && !(status.st_mode & 077)) return 0;
    why = folder + ": expected a folder of this user that nobody else may enter (mode 0700)";
    return -EACCES;
}

class PciServer final : public Server
{
public:
    ~PciServer() override
    {
        for (auto &card : cards_)
            if (card->thread.joinable()) card->thread.join();
        for (const std::string &path : paths_)
            (void)unlink(path.c_str());
    }

    int create(PciOptions options, std::string &why)
    {
        options_ = std::move(options);
        ACC_TRY_INT(make_folder(options_.folder, why));
        stop_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!stop_) return -errno;
        for (const std::string &spec : options_.devices) {
            auto card = std::make_unique<Card>();
            auto made = MpqemuCard::create(spec, messages_, why, options_.log);
            if (!made) return made.error();
            card->card = std::move(*made);
            ACC_TRY_INT(listen(std::to_string(cards_.size()), card->listener, why));
            cards_.push_back(std::move(card));
        }
        return listen("msi", messages_listener_, why);
    }

    int run() override;
    void stop() override
    {
        const uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = write(stop_.get(), &one, sizeof one);
    }

private:
    struct Card {
        std::unique_ptr<MpqemuCard> card;
        UniqueFd listener;
        std::mutex mutex; // of what follows
        UniqueFd machine; // the connection that is served
        std::thread thread;
        bool busy = false;
    };

    int listen(const std::string &name, UniqueFd &out, std::string &why)
    {
        const std::string path = options_.folder + "/" + name + ".sock";
        auto fd = listen_at(path, why);
        if (!fd) return fd.error();
        out = std::move(*fd);
        paths_.push_back(path);
        return 0;
    }
    void connect(Card &card);

    PciOptions options_;
    UniqueFd stop_, messages_listener_;
    std::vector<std::string> paths_;
    MessageInjector messages_; // outlives the cards
    std::vector<std::unique_ptr<Card>> cards_;
};

void PciServer::connect(Card &card)
{
    UniqueFd machine(accept4(card.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!machine) return;
    std::lock_guard lock(card.mutex);
    if (card.busy) {
        if (options_.log)
            options_.log(3, "expected one virtual machine for a card; refused another");
        return;
    }
    if (card.thread.joinable()) card.thread.join(); // it has ended
    card.busy = true;
    card.machine = std::move(machine);
    card.thread = std::thread([&card, socket = card.machine.get()] {
        card.card->serve(socket);
        std::lock_guard lock(card.mutex);
        card.machine.reset();
        card.busy = false;
    });
}

int PciServer::run()
{
    std::vector<pollfd> fds;
    fds.push_back({stop_.get(), POLLIN, 0});
    fds.push_back({messages_listener_.get(), POLLIN, 0});
    for (const auto &card : cards_)
        fds.push_back({card->listener.get(), POLLIN, 0});
    for (;;) {
        if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return -errno;
        if (fds[0].revents) break;
        if (fds[1].revents) {
            UniqueFd machine(accept4(messages_listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (machine) messages_.connect(std::move(machine));
        }
        for (size_t i = 0; i < cards_.size(); i++)
            if (fds[2 + i].revents) connect(*cards_[i]);
    }
    // Cards are pulled: the machines find nothing behind them.
    for (const auto &card : cards_) {
        std::lock_guard lock(card->mutex);
        if (card->machine) shutdown(card->machine.get(), SHUT_RDWR);
    }
    messages_.disconnect();
    for (const auto &card : cards_)
        if (card->thread.joinable()) card->thread.join();
    return 0;
}

} // namespace

Result<std::unique_ptr<Server>> create_pci_server(PciOptions options, std::string &why)
{
    auto server = std::make_unique<PciServer>();
    if (const int error = server->create(std::move(options), why)) return Error{error};
    return std::unique_ptr<Server>(std::move(server));
}

} // namespace acc::emu
