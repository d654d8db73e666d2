"""`python3 interop/cluster COMMAND`: load, faults and a checker for a cluster. README.md describes them."""

import argparse
import asyncio
import sys
import time
import unittest
from pathlib import Path

import agents
import history
import load
import measure
import senders
import suite
import summary
import upgrade
from checker import Verdict


def split(text):
    return text.split(",")


def add_nodes(parser):
    parser.add_argument("--nodes", required=True, type=split, metavar="HOST:PORT,…", help="addresses of the nodes")
    parser.add_argument("--mcs", default=[], type=split, metavar="HOST:PORT,…",
                        help="their listeners for Chromium, in the same order")


def run_load(arguments):
    running = load.Load(arguments, arguments.nodes, arguments.mcs)
    try:
        running.start()
        time.sleep(arguments.seconds)
        running.check_processes()
        verdict = running.settle(arguments.settle)
    finally:
        running.stop()
    return summary.print_verdict(verdict)


def run_check(arguments):
    return summary.print_verdict(Verdict(history.read(arguments.directory)))


def run_tests(_):
    found = unittest.defaultTestLoader.discover(str(Path(__file__).parent))
    return unittest.TextTestRunner().run(found).wasSuccessful()


def parse():
    parser = argparse.ArgumentParser(prog="interop/cluster", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("load", help="run agents and senders, then check what they saw")
    add_nodes(command)
    load.add_arguments(command)
    load.add_settle_argument(command)
    command.add_argument("--seconds", type=float, default=30, help="to send for [default: %(default)s]")
    command.set_defaults(run=run_load)

    command = commands.add_parser("suite", help="make faults under load, and print a row for each")
    suite.add_arguments(command)
    load.add_arguments(command)
    load.add_settle_argument(command)
    command.set_defaults(run=suite.run)

    command = commands.add_parser("measure", help="measure delivery between nodes, and reconnecting after a kill")
    measure.add_arguments(command)
    load.add_arguments(command)
    load.add_settle_argument(command)
    command.set_defaults(run=measure.run)

    command = commands.add_parser("upgrade", help="upgrade nodes to another program under load, and back again")
    upgrade.add_arguments(command)
    load.add_arguments(command)
    load.add_settle_argument(command)
    command.set_defaults(run=upgrade.run, **upgrade.CLUSTER)

    command = commands.add_parser("check", help="check the histories in a directory")
    command.add_argument("directory")
    command.set_defaults(run=run_check)

    command = commands.add_parser("test", help="test the checker")
    command.set_defaults(run=run_tests)

    for name, module in (("agents", agents), ("senders", senders)):
        command = commands.add_parser(name, help=f"run the process of the {name} only")
        add_nodes(command)
        load.add_arguments(command)
        command.set_defaults(run=lambda arguments, module=module: asyncio.run(module.run(arguments)) is None)
    return parser.parse_args()


if __name__ == "__main__":
    options = parse()
    sys.exit(0 if options.run(options) else 1)
