"""The command lines, one file each; installed as the package keras_nets_tools."""
