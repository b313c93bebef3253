"""The jobs: read, plan, show, apply. Windows and command line run the same functions.

May import jobs, services, library, rules, transport and base. No Qt.
"""
