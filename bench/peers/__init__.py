"""What is measured beside Doorward, one file each; `everyone.py` lists them.

A peer says by itself whether it can be had on this machine. Its configuration is as fast as its own manual
makes it: connections kept on both sides, access logs off.
"""
