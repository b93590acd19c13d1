"""The design that hark replaces, rebuilt small for measuring beside it.

Flask validates a log event, SQLite keeps it (one commit an event), and a scikit-learn isolation
forest, trained at start, scores it inside the request. Run it as that design did:

    gunicorn -w 2 -b 127.0.0.1:5001 app:app
"""
import os
import sqlite3
import time

import numpy as np
from flask import Flask, g, jsonify, request
from sklearn.ensemble import IsolationForest

LEVELS = {"debug": 0, "info": 1, "warn": 2, "warning": 2, "error": 3, "critical": 4}
DATABASE = os.environ.get("DATABASE", "logs.db")

app = Flask(__name__)


def features(message, level):
    """What the model sees of an event: length, share of digits, level."""
    digits = sum(c.isdigit() for c in message)
    return [len(message), digits / max(1, len(message)), LEVELS[level]]


def trained_model():
    """A forest of scikit-learn's default size, trained on ordinary events."""
    random = np.random.default_rng(0)
    ordinary = np.column_stack(
        [random.normal(120, 40, 2000), random.uniform(0, 0.4, 2000), random.integers(0, 3, 2000)]
    )
    return IsolationForest(random_state=0).fit(ordinary)


MODEL = trained_model()


def database():
    """This request's connection."""
    if "db" not in g:
        g.db = sqlite3.connect(DATABASE, timeout=30)
        g.db.execute(
            "CREATE TABLE IF NOT EXISTS logs"
            " (id INTEGER PRIMARY KEY, time REAL, level TEXT, message TEXT, score REAL, severity TEXT)"
        )
    return g.db


@app.teardown_appcontext
def close_database(_error):
    db = g.pop("db", None)
    if db is not None:
        db.close()


@app.post("/log")
def log():
    event = request.get_json(silent=True)
    if not isinstance(event, dict):
        return jsonify(error="the body must be a JSON object"), 400
    message, level = event.get("message"), event.get("level", "info")
    if not isinstance(message, str) or not message:
        return jsonify(error="message is required"), 400
    if level not in LEVELS:
        return jsonify(error="level is unknown"), 400
    score = float(MODEL.decision_function([features(message, level)])[0])
    severity = "high" if score < -0.1 else "medium" if score < 0 else "low"
    db = database()
    row = db.execute(
        "INSERT INTO logs (time, level, message, score, severity) VALUES (?, ?, ?, ?, ?)",
        (time.time(), level, message, score, severity),
    )
    db.commit()
    return jsonify(id=row.lastrowid, score=score, severity=severity), 201
