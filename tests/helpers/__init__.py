"""What tests of several rooms share: networks to sweep over, commands in a process, files to compare with."""
