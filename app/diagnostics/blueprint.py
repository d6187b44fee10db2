"""The blueprint the diagnostics hang on."""

from flask import Blueprint

diagnostics = Blueprint("diagnostics", __name__)
