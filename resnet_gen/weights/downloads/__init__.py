"""Published weights by their names: `torchvision:IMAGENET1K_V2`, `timm:a1_in1k`, `hf:OWNER/NAME@REVISION`."""
