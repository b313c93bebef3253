"""The jobs, each the four steps read, plan, show, apply; windows and command line run the same ones.

May import services, library, rules, transport and base. Knows no Qt.
"""
