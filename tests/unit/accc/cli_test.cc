// SPDX-License-Identifier: MIT
//
// The tool as its user meets it: exit codes and one line for each error.
#include "onnx_builder.h"

#include "program/program_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/wait.h>

namespace acc::accc
{
namespace
{

namespace fs = std::filesystem;

class Cli : public testing::Test
{
protected:
    void SetUp() override
    {
        const auto *info = testing::UnitTest::GetInstance()->current_test_info();
        root_ = fs::path(testing::TempDir()) / (std::string("accc_cli_") + info->name());
        fs::remove_all(root_);
        fs::create_directories(root_);
        OnnxBuilder b;
        b.input("x", {-1, 4}).random("w", {4, 3}).add("Gemm", {"x", "w"}, "y").output("y");
        write("m.onnx", b.bytes());
    }
    void TearDown() override { fs::remove_all(root_); }

    void write(const std::string &name, const std::string &bytes)
    {
        std::ofstream(root_ / name, std::ios::binary) << bytes;
    }
    std::string read(const std::string &name)
    {
        std::ifstream file(root_ / name, std::ios::binary);
        std::stringstream text;
        text << file.rdbuf();
        return text.str();
    }

    // Runs accc in the folder; out_ and err_ are what it printed.
    int run(const std::string &arguments)
    {
        const std::string command = "cd '" + root_.string() + "' && '" ACC_ACCC_PATH "' " +
                                    arguments + " >out.txt 2>err.txt";
        const int status = std::system(command.c_str());
        out_ = read("out.txt");
        err_ = read("err.txt");
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

    // One line on stderr, with the words, and no program file.
    void fails(const std::string &arguments, int code, const std::string &words)
    {
        EXPECT_EQ(run(arguments), code) << arguments << "\n" << err_;
        EXPECT_EQ(std::count(err_.begin(), err_.end(), '\n'), 1) << err_;
        EXPECT_EQ(err_.find("accc: error: "), 0u) << err_;
        EXPECT_NE(err_.find(words), std::string::npos) << err_;
        EXPECT_FALSE(fs::exists(root_ / "o.accx"));
    }

    // .npy version 1.0 of float32.
    void write_npy(const std::string &name, const std::string &shape, size_t values)
    {
        std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + shape + "), }";
        header.resize(118 - 1, ' ');
        header += '\n';
        std::string file("\x93NUMPY\x01\x00", 8);
        file += static_cast<char>(header.size());
        file += '\0';
        file += header;
        std::vector<float> data(values, 0.25f);
        file.append(reinterpret_cast<const char *>(data.data()), values * sizeof(float));
        write(name, file);
    }

    fs::path root_;
    std::string out_, err_;
};

TEST_F(Cli, CompilesAndReports)
{
    write_npy("c.npy", "2, 4", 8);
    ASSERT_EQ(run("m.onnx -o o.accx --calibrate c.npy --report r.json --strict"), 0) << err_;
    EXPECT_EQ(err_, "");
    EXPECT_NE(out_.find("matrix product with constant weights"), std::string::npos) << out_;
    const std::string bytes = read("o.accx");
    std::string why;
    const auto file = program::ProgramFile::parse(std::as_bytes(std::span(bytes)), &why);
    ASSERT_TRUE(file) << why;
    EXPECT_EQ(std::string(file->report()) + "\n", read("r.json"));
}

TEST_F(Cli, LowersProductsAsAsked)
{
    write_npy("c.npy", "2, 4", 8);
    const std::string compile = "m.onnx -o o.accx --calibrate c.npy --lower ";
    for (const std::string how : {"isa", "isa --batch 4"}) {
        ASSERT_EQ(run(compile + how), 0) << err_;
        EXPECT_NE(out_.find("; in program 1 of instructions"), std::string::npos) << out_;
        EXPECT_NE(out_.find("1 products, one packet, 1 tiles, 1 MVM units"), std::string::npos)
            << out_;
    }
    ASSERT_EQ(run(compile + "auto"), 0) << err_;
    EXPECT_NE(out_.find("no instructions: by instructions "), std::string::npos) << out_;
    ASSERT_EQ(run(compile + "kernels"), 0) << err_;
    EXPECT_EQ(out_.find("instructions"), std::string::npos) << out_;
    // Programs for another machine, if there is one of that name.
    ASSERT_EQ(run(compile + "isa --arch puma"), 0) << err_;
    fs::remove(root_ / "o.accx");
    fails("m.onnx -o o.accx --arch sideways", 1, "puma");
    fails("m.onnx -o o.accx --lower sideways", 2, "--lower");
    fails("m.onnx -o o.accx --batch 0", 2, "--batch");
}

TEST_F(Cli, WarnsWithoutCalibration)
{
    ASSERT_EQ(run("m.onnx -o o.accx -q"), 0) << err_;
    EXPECT_NE(err_.find("accc: warning: no --calibrate"), std::string::npos) << err_;
    EXPECT_EQ(out_, "");
}

TEST_F(Cli, NamesOneInputOfSeveral)
{
    write_npy("c.npy", "2, 4", 8);
    ASSERT_EQ(run("m.onnx -o o.accx -q --calibrate x=c.npy"), 0) << err_;
    EXPECT_EQ(err_, "");
}

TEST_F(Cli, PrintsTheGraph)
{
    ASSERT_EQ(run("m.onnx -o o.accx --print-after fuse"), 0) << err_;
    EXPECT_NE(out_.find("# after fuse\ngraph \"test\", stage physical"), std::string::npos) << out_;
    EXPECT_NE(out_.find("matmul"), std::string::npos) << out_;
}

TEST_F(Cli, UsageErrors)
{
    fails("", 2, "model");
    fails("m.onnx", 2, "--output");
    fails("m.onnx -o o.accx --sparkle", 2, "--sparkle");
    fails("m.onnx -o o.accx --shape x", 2, "--shape NAME=");
    fails("m.onnx -o o.accx --shape x=1xx4", 2, "--shape NAME=");
    fails("m.onnx -o o.accx --shape x=99999999999999999999", 2, "--shape NAME=");
    fails("m.onnx -o o.accx --print-after nothing", 2, "found 'nothing'");
    EXPECT_EQ(run("--help"), 0);
    EXPECT_NE(out_.find("--calibrate"), std::string::npos);
    EXPECT_EQ(run("--version"), 0);
}

TEST_F(Cli, InputErrors)
{
    fails("none.onnx -o o.accx", 1, "none.onnx: No such file");
    fails(". -o o.accx", 1, "expected a regular file");
    write("text.onnx", "no model");
    fails("text.onnx -o o.accx", 1, "text.onnx: expected an ONNX model");
    write("empty.onnx", "");
    fails("empty.onnx -o o.accx", 1, "empty.onnx: expected");
    const std::string model = read("m.onnx");
    write("half.onnx", model.substr(0, model.size() / 2));
    fails("half.onnx -o o.accx", 1, "half.onnx: ");
    fails("m.onnx -o no/folder/o.accx", 1, "no/folder/o.accx: No such file");
    fails("m.onnx -o o.accx --shape x=1x5", 1, "agree in k");
    fails("m.onnx -o o.accx --shape z=1x4", 1, "found no input 'z'");
}

TEST_F(Cli, CalibrationErrors)
{
    fails("m.onnx -o o.accx --calibrate none.npy", 1, "none.npy: No such file");
    write("text.npy", "no array");
    fails("m.onnx -o o.accx --calibrate text.npy", 1, "text.npy: expected a .npy file");
    write_npy("wide.npy", "2, 5", 10);
    fails("m.onnx -o o.accx --calibrate wide.npy", 1, "wide.npy: expected float32 [n,4]");
    write_npy("short.npy", "2, 4", 7);
    fails("m.onnx -o o.accx --calibrate short.npy", 1, "32 bytes of data");
    write_npy("none.npy", "0, 4", 0);
    fails("m.onnx -o o.accx --calibrate none.npy", 1, "none.npy: expected float32 [n,4]");
    write_npy("c.npy", "2, 4", 8);
    fails("m.onnx -o o.accx --calibrate c.npy --calibrate c.npy", 1, "one file for input 'x'");
}

TEST_F(Cli, ControlCharactersOfAModelStayInside)
{
    OnnxBuilder b;
    b.input("x", {-1, 4}).add("Bad\nOp\x1b[2J", {"x"}, "y").output("y");
    write("evil.onnx", b.bytes());
    fails("evil.onnx -o o.accx", 1, "Bad?Op?[2J");
}

} // namespace
} // namespace acc::accc
