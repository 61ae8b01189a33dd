"""The files of torchvision's published weights, each with the first eight digits of its SHA-256 in its name."""

from __future__ import annotations

TORCHVISION_FILES: dict[str, dict[str, str]] = {
    "resnet18": {"IMAGENET1K_V1": "resnet18-f37072fd.pth"},
    "resnet34": {"IMAGENET1K_V1": "resnet34-b627a593.pth"},
    "resnet50": {
        "IMAGENET1K_V1": "resnet50-0676ba61.pth",
        "IMAGENET1K_V2": "resnet50-11ad3fa6.pth",
    },
    "resnet101": {
        "IMAGENET1K_V1": "resnet101-63fe2227.pth",
        "IMAGENET1K_V2": "resnet101-cd907fc2.pth",
    },
    "resnet152": {
        "IMAGENET1K_V1": "resnet152-394f9c45.pth",
        "IMAGENET1K_V2": "resnet152-f82ba261.pth",
    },
    "resnext50_32x4d": {
        "IMAGENET1K_V1": "resnext50_32x4d-7cdf4587.pth",
        "IMAGENET1K_V2": "resnext50_32x4d-1a0047aa.pth",
    },
    "resnext101_32x8d": {
        "IMAGENET1K_V1": "resnext101_32x8d-8ba56ff5.pth",
        "IMAGENET1K_V2": "resnext101_32x8d-110c445d.pth",
    },
    "resnext101_64x4d": {"IMAGENET1K_V1": "resnext101_64x4d-173b62eb.pth"},
    "wide_resnet50_2": {
        "IMAGENET1K_V1": "wide_resnet50_2-95faca4d.pth",
        "IMAGENET1K_V2": "wide_resnet50_2-9ba9bcbe.pth",
    },
    "wide_resnet101_2": {
        "IMAGENET1K_V1": "wide_resnet101_2-32ee1156.pth",
        "IMAGENET1K_V2": "wide_resnet101_2-d733dc28.pth",
    },
    "regnet_y_400mf": {
        "IMAGENET1K_V1": "regnet_y_400mf-c65dace8.pth",
        "IMAGENET1K_V2": "regnet_y_400mf-e6988f5f.pth",
    },
    "regnet_y_800mf": {
        "IMAGENET1K_V1": "regnet_y_800mf-1b27b58c.pth",
        "IMAGENET1K_V2": "regnet_y_800mf-58fc7688.pth",
    },
    "regnet_y_1_6gf": {
        "IMAGENET1K_V1": "regnet_y_1_6gf-b11a554e.pth",
        "IMAGENET1K_V2": "regnet_y_1_6gf-0d7bc02a.pth",
    },
    "regnet_y_3_2gf": {
        "IMAGENET1K_V1": "regnet_y_3_2gf-b5a9779c.pth",
        "IMAGENET1K_V2": "regnet_y_3_2gf-9180c971.pth",
    },
    "regnet_y_8gf": {
        "IMAGENET1K_V1": "regnet_y_8gf-d0d0e4a8.pth",
        "IMAGENET1K_V2": "regnet_y_8gf-dc2b1b54.pth",
    },
    "regnet_y_16gf": {
        "IMAGENET1K_V1": "regnet_y_16gf-9e6ed7dd.pth",
        "IMAGENET1K_V2": "regnet_y_16gf-3e4a00f9.pth",
        "IMAGENET1K_SWAG_E2E_V1": "regnet_y_16gf_swag-43afe44d.pth",
        "IMAGENET1K_SWAG_LINEAR_V1": "regnet_y_16gf_lc_swag-f3ec0043.pth",
    },
    "regnet_y_32gf": {
        "IMAGENET1K_V1": "regnet_y_32gf-4dee3f7a.pth",
        "IMAGENET1K_V2": "regnet_y_32gf-8db6d4b5.pth",
        "IMAGENET1K_SWAG_E2E_V1": "regnet_y_32gf_swag-04fdfa75.pth",
        "IMAGENET1K_SWAG_LINEAR_V1": "regnet_y_32gf_lc_swag-e1583746.pth",
    },
    "regnet_y_128gf": {
        "IMAGENET1K_SWAG_E2E_V1": "regnet_y_128gf_swag-c8ce3e52.pth",
        "IMAGENET1K_SWAG_LINEAR_V1": "regnet_y_128gf_lc_swag-cbe8ce12.pth",
    },
    "regnet_x_400mf": {
        "IMAGENET1K_V1": "regnet_x_400mf-adf1edd5.pth",
        "IMAGENET1K_V2": "regnet_x_400mf-62229a5f.pth",
    },
    "regnet_x_800mf": {
        "IMAGENET1K_V1": "regnet_x_800mf-ad17e45c.pth",
        "IMAGENET1K_V2": "regnet_x_800mf-94a99ebd.pth",
    },
    "regnet_x_1_6gf": {
        "IMAGENET1K_V1": "regnet_x_1_6gf-e3633e7f.pth",
        "IMAGENET1K_V2": "regnet_x_1_6gf-a12f2b72.pth",
    },
    "regnet_x_3_2gf": {
        "IMAGENET1K_V1": "regnet_x_3_2gf-f342aeae.pth",
        "IMAGENET1K_V2": "regnet_x_3_2gf-7071aa85.pth",
    },
    "regnet_x_8gf": {
        "IMAGENET1K_V1": "regnet_x_8gf-03ceed89.pth",
        "IMAGENET1K_V2": "regnet_x_8gf-2b70d774.pth",
    },
    "regnet_x_16gf": {
        "IMAGENET1K_V1": "regnet_x_16gf-2007eb11.pth",
        "IMAGENET1K_V2": "regnet_x_16gf-ba3796d7.pth",
    },
    "regnet_x_32gf": {
        "IMAGENET1K_V1": "regnet_x_32gf-9d47f8d0.pth",
        "IMAGENET1K_V2": "regnet_x_32gf-6eb8fdc6.pth",
    },
    "vgg11": {"IMAGENET1K_V1": "vgg11-8a719046.pth"},
    "vgg11_bn": {"IMAGENET1K_V1": "vgg11_bn-6002323d.pth"},
    "vgg13": {"IMAGENET1K_V1": "vgg13-19584684.pth"},
    "vgg13_bn": {"IMAGENET1K_V1": "vgg13_bn-abd245e5.pth"},
    "vgg16": {"IMAGENET1K_V1": "vgg16-397923af.pth"},
    "vgg16_bn": {"IMAGENET1K_V1": "vgg16_bn-6c64b313.pth"},
    "vgg19": {"IMAGENET1K_V1": "vgg19-dcbb9e9d.pth"},
    "vgg19_bn": {"IMAGENET1K_V1": "vgg19_bn-c79401a0.pth"},
}
"""By torchvision's names of the network and of the weights (torchvision/models/{resnet,regnet,vgg}.py of 0.29).

`IMAGENET1K_FEATURES` of VGG-16 is left out: it is no classifier, and for other preprocessing.
"""
