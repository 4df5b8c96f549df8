"""Write YAML as people write it."""

import yaml

from export.serving.servers.configs import HEAD


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data):
        return True  # what is said twice is written twice


def _text(dumper: _Plain, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None  # lines as they are, so that a change shows in a diff
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Plain.add_representer(str, _text)


def to_yaml(manifest: dict) -> str:
    """Return `manifest` in its own order, under the line that says who wrote it."""
    return HEAD + yaml.dump(manifest, Dumper=_Plain, sort_keys=False, width=100)
