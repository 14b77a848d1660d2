"""What operators use: the loop, health, alerts, metrics, doctor, setup. Decides; `cli` shows."""
