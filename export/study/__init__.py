"""The study behind docs/gate_power.md: what the gate catches, and how often it cries wolf."""
