// SPDX-License-Identifier: MIT
//
// accctl tile picture: the cells of a program's matrices as images, one for each tile: what
// they conduct, and how far that is from what was asked for.
#include "tile.h"

#include "acc/kernels.h"

#include <png.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

namespace acc::ctl
{
namespace
{

namespace fs = std::filesystem;

struct PictureOptions {
    std::string file, out = "tiles";
    double tolerance = HUGE_VAL; // µS
};

using Colour = std::array<uint8_t, 3>;
constexpr Colour kNothing = {0x30, 0x30, 0x34}; // no cell, or one that holds nothing

// Of 0 … 1 along anchors of equal distance.
template <size_t N>
Colour between(const std::array<Colour, N> &anchors, double x)
{
    const double at = std::clamp(x, 0.0, 1.0) * (N - 1);
    const auto k = std::min(static_cast<size_t>(at), N - 2);
    Colour colour;
    for (size_t c = 0; c < 3; c++)
        colour[c] = static_cast<uint8_t>(std::lround(
            anchors[k][c] + (anchors[k + 1][c] - anchors[k][c]) * (at - static_cast<double>(k))));
    return colour;
}

// Dark to bright; and blue (too little), white, red (too much).
constexpr std::array<Colour, 5> kHeat = {
    {{0, 0, 4}, {87, 16, 110}, {188, 55, 84}, {249, 142, 9}, {252, 255, 164}}};
constexpr std::array<Colour, 3> kError = {{{33, 102, 172}, {247, 247, 247}, {178, 24, 43}}};

// The cells of one array in its place in a tile.
struct Array {
    uint64_t place = 0;
    std::vector<float> asked, found; // [rows][cols], NaN: no cell
};
struct Tile {
    std::vector<Array> arrays;
};

struct Summary {
    double most = 0;             // µS, of any cell
    double worst = 0;            // |error|, µS
    double sum = 0, squares = 0; // of errors
    uint64_t cells = 0;
    uint64_t off = 0;           // further from what was asked for than they may be
    Json named = Json::array(); // the first of them
};
constexpr uint64_t kMostNamed = 64;

// A queue and a signal, for dispatches one after the other.
class Dispatcher
{
public:
    explicit Dispatcher(acc_device *device) : device_(device)
    {
        acc_queue *queue = nullptr;
        if (acc_queue_create(device, nullptr, &queue) == 0) queue_ = Queue(queue);
        acc_signal *signal = nullptr;
        if (acc_signal_create(&device, 1, 0, &signal) == 0) signal_ = Signal(signal);
    }
    bool made() const { return queue_ && signal_; }
    // False after printing why not.
    bool run(const acc_kernel_info &kernel, const acc_mvm_args &args)
    {
        const std::string name = kernel.name;
        acc_dispatch dispatch = ACC_INIT(acc_dispatch);
        dispatch.kernel_object = kernel.kernel_object;
        dispatch.kernargs = &args;
        dispatch.kernarg_bytes = sizeof(args);
        dispatch.completion = signal_.get();
        (void)acc_signal_store(signal_.get(), 1);
        acc_signal_result result = ACC_INIT(acc_signal_result);
        if (acc_queue_dispatch(queue_.get(), &dispatch) < 0 ||
            acc_signal_wait(signal_.get(), ACC_COND_EQ, 0, ACC_FOREVER, nullptr) < 0 ||
            acc_signal_get_result(signal_.get(), &result) < 0) {
            fail_acc("kernel " + name);
            return false;
        }
        if (result.status == ACC_STATUS_OK) return true;
        acc_fault_info fault = ACC_INIT(acc_fault_info);
        (void)acc_device_get_fault(device_, 0, &fault);
        fail("kernel " + name + ": " + acc_status_name(result.status) + ": " + fault.text);
        return false;
    }

private:
    acc_device *device_;
    Queue queue_;
    Signal signal_;
};

bool write_png(const std::string &path, uint32_t width, uint32_t height,
               const std::vector<uint8_t> &rgb)
{
    png_image image = {};
    image.version = PNG_IMAGE_VERSION;
    image.width = width;
    image.height = height;
    image.format = PNG_FORMAT_RGB;
    if (png_image_write_to_file(&image, path.c_str(), 0, rgb.data(), 0, nullptr)) return true;
    fail(path + ": " + image.message);
    return false;
}

struct Geometry {
    uint64_t tile_arrays = 1;
    uint32_t rows = 1, cols = 1;

    // Arrays of a tile as a square, nearly.
    uint32_t across() const
    {
        return static_cast<uint32_t>(std::ceil(std::sqrt(static_cast<double>(tile_arrays))));
    }
};

// Cells as pixels, arrays beside each other with a line between them.
bool draw(const std::string &path, const Tile &tile, const Geometry &g,
          const std::function<Colour(float asked, float found)> &colour)
{
    // No more than what is there.
    uint64_t last = 0;
    for (const Array &array : tile.arrays)
        last = std::max(last, array.place);
    const uint32_t across = std::min<uint32_t>(g.across(), static_cast<uint32_t>(last + 1));
    const auto down = static_cast<uint32_t>(last / g.across() + 1);
    const uint32_t width = across * (g.cols + 1) + 1, height = down * (g.rows + 1) + 1;
    std::vector<uint8_t> rgb(size_t{width} * height * 3, 0x50);
    for (const Array &array : tile.arrays) {
        const auto x0 = static_cast<uint32_t>(array.place % g.across()) * (g.cols + 1) + 1;
        const auto y0 = static_cast<uint32_t>(array.place / g.across()) * (g.rows + 1) + 1;
        for (uint32_t row = 0; row < g.rows; row++) {
            for (uint32_t col = 0; col < g.cols; col++) {
                const size_t cell = size_t{row} * g.cols + col;
                const Colour c = std::isnan(array.found[cell])
                                     ? kNothing
                                     : colour(array.asked[cell], array.found[cell]);
                std::copy(c.begin(), c.end(),
                          rgb.begin() +
                              static_cast<ptrdiff_t>((size_t{y0 + row} * width + x0 + col) * 3));
            }
        }
    }
    return write_png(path, width, height, rgb);
}

std::string plain_text(double value)
{
    std::array<char, 40> text = {};
    snprintf(text.data(), text.size(), "%.4g", value);
    return text.data();
}

// Reads cells, and tells where they are.
class Reader
{
public:
    Reader(const Device &device, const Json &image, double tolerance)
        : device_(device), dispatcher_(device.get()), tolerance_(tolerance)
    {
        for (const Json &target : image["targets"])
            if (target["target"] == "crossbar") target_ = target;
    }

    // All matrices of a program. False after printing why not.
    bool read(const Program &program)
    {
        if (!dispatcher_.made()) return fail_acc("tile picture"), false;
        for (uint32_t k = 0; k < acc_program_kernels(program.get()); k++) {
            acc_kernel_info kernel = ACC_INIT(acc_kernel_info);
            if (acc_program_kernel(program.get(), k, &kernel) < 0)
                return fail_acc("tile picture"), false;
            if (kernel.kernarg_bytes != sizeof(acc_mvm_args))
                skipped_++; // of instructions: it has no such operations
            else if (!read_matrix(kernel, k))
                return false;
        }
        return true;
    }

    const std::map<std::string, Tile> &tiles() const { return tiles_; }
    const Geometry &geometry() const { return geometry_; }
    const Summary &summary() const { return summary_; }
    size_t skipped() const { return skipped_; }

private:
    // Writes what an operation of a kernel says into memory of the device.
    bool ask(const acc_kernel_info &kernel, acc_mvm_operation operation, uint64_t array,
             size_t bytes, const std::function<void(const void *)> &use)
    {
        acc_buffer *made = nullptr;
        if (acc_buffer_create(device_.get(), bytes, nullptr, &made) < 0)
            return fail_acc("tile picture"), false;
        const Buffer buffer(made);
        acc_mvm_args args = {};
        args.operation = operation;
        args.vectors = array;
        args.output = reinterpret_cast<uint64_t>(acc_buffer_data(made));
        if (!dispatcher_.run(kernel, args)) return false;
        use(acc_buffer_data(made));
        return true;
    }

    bool read_matrix(const acc_kernel_info &kernel, uint32_t index)
    {
        acc_mvm_stats stats = {};
        if (!ask(kernel, ACC_MVM_STATS, 0, sizeof(stats),
                 [&](const void *data) { std::memcpy(&stats, data, sizeof(stats)); }))
            return false;
        geometry_ = {stats.tile_arrays, static_cast<uint32_t>(stats.array_rows),
                     static_cast<uint32_t>(stats.array_cols)};
        const uint32_t unit = target_["kernels"][index]["unit"];
        const std::string name = target_["units"][unit]["name"];
        const size_t cells = size_t{geometry_.rows} * geometry_.cols;
        for (uint64_t a = 0; a < stats.arrays; a++) {
            const uint64_t at = stats.first_array + a;
            Tile &tile = tiles_[name + "-tile" + std::to_string(at / geometry_.tile_arrays)];
            Array &array = tile.arrays.emplace_back();
            array.place = at % geometry_.tile_arrays;
            if (!ask(kernel, ACC_MVM_CELLS, a, 2 * cells * sizeof(float), [&](const void *data) {
                    const auto *values = static_cast<const float *>(data);
                    array.asked.assign(values, values + cells);
                    array.found.assign(values + cells, values + 2 * cells);
                }))
                return false;
            add(array, kernel.name, a);
        }
        return true;
    }

    void add(const Array &array, const char *matrix, uint64_t index)
    {
        for (size_t c = 0; c < array.found.size(); c++) {
            if (std::isnan(array.found[c])) continue;
            const double found = array.found[c], error = found - array.asked[c];
            summary_.most = std::max({summary_.most, found, double{array.asked[c]}});
            summary_.worst = std::max(summary_.worst, std::abs(error));
            summary_.sum += error;
            summary_.squares += error * error;
            summary_.cells++;
            if (std::abs(error) > tolerance_ && summary_.off++ < kMostNamed)
                summary_.named.push_back({{"matrix", matrix},
                                          {"array", index},
                                          {"row", c / geometry_.cols},
                                          {"col", c % geometry_.cols},
                                          {"asked_us", array.asked[c]},
                                          {"found_us", found}});
        }
    }

    const Device &device_;
    Dispatcher dispatcher_;
    double tolerance_;
    Json target_;
    Geometry geometry_;
    std::map<std::string, Tile> tiles_; // by name
    Summary summary_;
    size_t skipped_ = 0;
};

// The legend that images have no room for.
bool write_page(const std::string &path, const std::string &title, const Json &report)
{
    std::ofstream file(path);
    const double most = report["conductance_max_us"], worst = report["error_max_us"];
    file << "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>" << escaped(title)
         << "</title>\n<style>body{font:14px sans-serif;margin:2em}img{max-width:48%;margin:2px;"
            "image-rendering:pixelated}.bar{display:inline-block;width:200px;height:14px;margin:0 "
            "6px}</style>\n<h1>"
         << escaped(title) << "</h1>\n<p>Conductance: 0<span class=\"bar\" style=\"background:"
         << "linear-gradient(90deg,#000004,#57106e,#bc3754,#f98e09,#fcffa4)\"></span>"
         << plain_text(most) << " µS. Error: " << plain_text(-worst)
         << "<span class=\"bar\" style=\"background:linear-gradient(90deg,#2166ac,#f7f7f7,#b2182b)"
            "\"></span>"
         << plain_text(worst) << " µS. A pixel is a cell, arrays are side by side in their order; "
         << report["cells"] << " cells, mean error " << plain_text(report["error_mean_us"])
         << " µS, standard deviation " << plain_text(report["error_sigma_us"]) << " µS.</p>\n";
    for (const Json &tile : report["tiles"]) {
        const std::string name = tile["name"];
        file << "<h2>" << escaped(name) << "</h2>\n<img src=\""
             << tile["conductance"].get<std::string>() << "\" alt=\"conductances\"> <img src=\""
             << tile["error"].get<std::string>() << "\" alt=\"errors\">\n";
    }
    file << "</html>\n";
    if (!file.flush()) return fail(path + ": cannot be written"), false;
    return true;
}

// Names of units are the compiler's, or anybody's.
std::string file_name(const std::string &tile)
{
    std::string name = tile;
    for (char &c : name)
        if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_') c = '_';
    return name;
}

int picture(const Context &context, const PictureOptions &options)
{
    std::vector<std::byte> bytes;
    Json image;
    if (!read_file(options.file, bytes) || !describe_image(options.file, bytes, image))
        return exit_failure;
    const Device device = the_device(context, "tile picture");
    if (!device) return exit_failure;
    acc_program *made = nullptr;
    if (acc_program_load(device.get(), bytes.data(), bytes.size(), &made) < 0)
        return fail_acc(options.file);
    const Program program(made);
    Reader reader(device, image, options.tolerance);
    if (!reader.read(program)) return exit_failure;
    if (reader.tiles().empty())
        return fail(options.file + ": expected matrices; found " +
                    std::to_string(reader.skipped()) + " kernels of instructions alone");
    std::error_code error;
    fs::create_directories(options.out, error);
    if (error) return fail(options.out + ": " + error.message());
    const Summary &s = reader.summary();
    const double n = static_cast<double>(std::max<uint64_t>(s.cells, 1)), mean = s.sum / n;
    Json tiles = Json::array();
    for (const auto &[name, tile] : reader.tiles()) {
        const std::string file = file_name(name);
        if (!draw(options.out + "/" + file + "-conductance.png", tile, reader.geometry(),
                  [&](float, float found) { return between(kHeat, found / s.most); }) ||
            !draw(options.out + "/" + file + "-error.png", tile, reader.geometry(),
                  [&](float asked, float found) {
                      const double e = double{found} - asked;
                      return between(kError, s.worst > 0 ? 0.5 + e / s.worst / 2 : 0.5);
                  }))
            return exit_failure;
        tiles.push_back({{"name", name},
                         {"arrays", tile.arrays.size()},
                         {"conductance", file + "-conductance.png"},
                         {"error", file + "-error.png"}});
    }
    Json report = {{"uri", acc_device_uri(device.get())},
                   {"cells", s.cells},
                   {"conductance_max_us", s.most},
                   {"error_max_us", s.worst},
                   {"error_mean_us", mean},
                   {"error_sigma_us", std::sqrt(std::max(s.squares / n - mean * mean, 0.0))},
                   {"kernels_of_instructions", reader.skipped()},
                   {"tiles", tiles}};
    if (options.tolerance < HUGE_VAL)
        report["off"] = {{"tolerance_us", options.tolerance}, {"count", s.off}, {"cells", s.named}};
    if (!write_page(options.out + "/index.html", fs::path(options.file).filename().string(),
                    report))
        return exit_failure;
    if (context.json) return print_json(report);
    printf("%zu tiles in %s/index.html; errors: mean %s µS, standard deviation %s µS, at most %s "
           "µS\n",
           tiles.size(), options.out.c_str(), plain_text(mean).c_str(),
           plain_text(report["error_sigma_us"]).c_str(), plain_text(s.worst).c_str());
    if (options.tolerance < HUGE_VAL)
        printf("%" PRIu64 " cells are off by more than %s µS%s\n", s.off,
               plain_text(options.tolerance).c_str(), s.off > s.named.size() ? "; the first:" : "");
    for (const Json &cell : s.named)
        printf("%s array %s row %s col %s: expected %s µS, found %s µS\n",
               cell["matrix"].get<std::string>().c_str(), cell["array"].dump().c_str(),
               cell["row"].dump().c_str(), cell["col"].dump().c_str(),
               plain_text(cell["asked_us"]).c_str(), plain_text(cell["found_us"]).c_str());
    return finish_output();
}

} // namespace

void add_picture_command(CLI::App &noun, Context &context)
{
    CLI::App *command = noun.add_subcommand(
        "picture", "Program a device's cells, and draw what they conduct and by how much they err");
    auto options = std::make_shared<PictureOptions>();
    command->add_option("FILE", options->file, "A program with matrices, .accx")
        ->required()
        ->type_name("");
    command
        ->add_option("-o,--out", options->out,
                     "A folder for two PNG images a tile and index.html (default: tiles)")
        ->type_name("DIR");
    command
        ->add_option("--tolerance", options->tolerance,
                     "Name the cells that are off by more than this: write-verify gave them up, "
                     "they are stuck, or they drifted")
        ->type_name("US")
        ->check(CLI::NonNegativeNumber);
    command->callback([&context, options] {
        context.command = [&context, options] { return picture(context, *options); };
    });
}

} // namespace acc::ctl
