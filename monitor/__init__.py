"""Marginwatch: tells a trader before a position is liquidated, and when it can no longer see.

Begin reading in `monitor/core/events.py` (what the world can tell us), go on to `portfolio.py`
(what we believe), `metrics.py` (what rules speak of), `alerts.py` (the life of an alert) and
`engine.py` (events in, notices out). `monitor/app/` wires the rooms together.
"""
