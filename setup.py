from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["keras_nets*", "export*"]), "keras_nets_tools"])
