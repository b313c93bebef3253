# What `qt.core` gives at run time, as far as PyQt6 brings types along.
from PyQt6.QtCore import *
from PyQt6.QtGui import *  # type: ignore[assignment]
from PyQt6.QtNetwork import *
from PyQt6.QtWidgets import *

from PyQt6 import sip as sip
