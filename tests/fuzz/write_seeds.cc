// SPDX-License-Identifier: MIT
//
// write_seeds FOLDER: a corpus to start a fuzz target from, one file for each seed.
#include SEEDS_HEADER

#include <cstdio>
#include <filesystem>
#include <string>

int main(int argc, char **argv)
{
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    std::filesystem::create_directories(argv[1]);
    int number = 0;
    for (const auto &seed : acc::fuzz::SEEDS()) {
        const std::string path = std::string(argv[1]) + "/seed" + std::to_string(number++);
        std::FILE *file = std::fopen(path.c_str(), "wb");
        if (!file || std::fwrite(seed.data(), 1, seed.size(), file) != seed.size() ||
            std::fclose(file))
            return 1;
    }
    return 0;
}
