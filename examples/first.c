/* SPDX-License-Identifier: MIT */
#include <acc/acc.h> /* first digits.accx: what digit is this? */
#include <stdio.h>
#include <string.h>

static const char ink[] = " .:-=+*#%@"; /* ever darker */
static const char digit[] = "  #@@#. "
                            " :%+#@. "
                            "  . *%  "
                            "   #@:  "
                            "   =@#. "
                            "    -@- "
                            "  :--@- "
                            "  #@@+  ";

int main(int argc, char **argv)
{
    acc_device *devices[2];
    acc_model *model;
    float image[64], probability[10];
    const void *inputs[] = {image};
    void *outputs[] = {probability};
    int best = 0;

    for (int i = 0; i < 64; i++)
        image[i] = (strchr(ink, digit[i]) - ink) / 9.0f;
    if (acc_device_open("crossbar", NULL, &devices[0]) < 0 ||
        acc_device_open("fpga", NULL, &devices[1]) < 0 ||
        acc_model_load_file(devices, 2, argc > 1 ? argv[1] : "digits.accx", NULL, &model) < 0 ||
        acc_model_run(model, inputs, outputs, 1) < 0) {
        fprintf(stderr, "first: %s\n", acc_error_text());
        return 1;
    }
    for (int i = 1; i < 10; i++)
        best = probability[i] > probability[best] ? i : best;
    printf("This is a %d (%.0f %%).\n", best, 100 * probability[best]);
    return acc_model_unload(model) || acc_device_close(devices[0]) || acc_device_close(devices[1]);
}
