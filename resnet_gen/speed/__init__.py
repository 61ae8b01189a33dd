"""How fast a network is: predicted for a device that is not there, or measured on this machine.

A graph and a device come in, or files and a runtime; times go out, as figures and as a picture.
"""
