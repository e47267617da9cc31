"""The rules of `validate`, and the forecast of memory."""

from zkrun.analysis.analyse import Analysis, analyse
from zkrun.analysis.constants import ImageCheck, ImageFault
from zkrun.analysis.forecast import DeviceForecast, Forecast
from zkrun.analysis.operands import OperandInfo
from zkrun.analysis.rules import PHASES, RULES, Rule

__all__ = [
    "PHASES",
    "RULES",
    "Analysis",
    "DeviceForecast",
    "Forecast",
    "ImageCheck",
    "ImageFault",
    "OperandInfo",
    "Rule",
    "analyse",
]
