/* SPDX-License-Identifier: MIT */
/*
 * The crowd's network, on a crossbar and an FPGA: `network FILE IMAGES.npy` runs the first images
 * through it, and expects of each round what the first one gave.
 */
#include "crowd.h"

#include "acc/acc.h"

#include <string.h>

enum { SAMPLES = 8, HEADER = 128 };

static acc_model *model;
static unsigned char *images;
static float first[SAMPLES * 64], found[SAMPLES * 64];
static size_t output_bytes;

static int step(unsigned number)
{
    const void *const inputs[] = {images};
    void *const outputs[] = {found};
    if (acc_model_run(model, inputs, outputs, SAMPLES) < 0) {
        fprintf(stderr, "%s\n", acc_error_text());
        return 0;
    }
    if (number == 0) memcpy(first, found, output_bytes);
    return memcmp(first, found, output_bytes) == 0;
}

int main(int argc, char **argv)
{
    const char *const kinds[] = {"crossbar", "fpga"};
    acc_device *devices[2];
    struct acc_tensor_info input = ACC_INIT(acc_tensor_info), output = ACC_INIT(acc_tensor_info);
    if (argc != 3) return 2;
    for (int i = 0; i < 2; i++)
        if (acc_device_open(kinds[i], NULL, &devices[i]) < 0) goto failed;
    if (acc_model_load_file(devices, 2, argv[1], NULL, &model) < 0 ||
        acc_model_input(model, 0, &input) < 0 || acc_model_output(model, 0, &output) < 0)
        goto failed;
    output_bytes = SAMPLES * output.sample_bytes;
    FILE *file = fopen(argv[2], "rb");
    images = calloc(SAMPLES, input.sample_bytes);
    if (output_bytes > sizeof first || !file || fseek(file, HEADER, SEEK_SET) ||
        fread(images, input.sample_bytes, SAMPLES, file) != SAMPLES)
        return 2;
    return crowd_run(step);
failed:
    fprintf(stderr, "%s\n", acc_error_text());
    return 2;
}
