"""What operators use: the loop, health, alerts, metrics, doctor, setup; comparing, tracing, reporting.
Decides; `cli` shows."""
