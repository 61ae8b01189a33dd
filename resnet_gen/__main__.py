"""`python -m resnet_gen` is `resnet-gen`."""

from resnet_gen.cli import main

main()
