"""The errors that labkit raises on purpose, each with the exit status of the command line.

::

    LabError                       1  anything that went wrong and has a clear message
    ├── InvalidArgument            2  a value that makes no sense (workers 0, scale -1)
    │   └── UnknownName            2  a recipe, engine, run or notebook that is not there
    ├── InvalidData                3  rows or files that do not fit the schema
    ├── NotEnoughResources         4  memory, disk or CPUs that this machine does not have
    │   ├── NotEnoughMemory        4
    │   └── NotEnoughDisk          4
    ├── ClusterError               5  a Ray cluster that does not answer or does not fit
    ├── PortInUse                  5  a port that somebody else holds
    ├── StorageError               6  a folder or database that cannot be read or written
    │   └── OldLayout              6  a lab folder of another version of labkit
    ├── Busy                       7  somebody else holds what is needed; wait, or end it
    ├── TaskFailed                 8  a task that failed more often than it may
    ├── ResultsDiffer              9  two ways of doing the same work disagree
    └── InvalidMeasurement         9  timings from which nothing follows

A leaf takes one finished message: exceptions cross processes by pickle, and further arguments would break that.
Ctrl-C ends a command with status 130, as in every shell.
"""

from __future__ import annotations


class LabError(Exception):
    """Base of every error that labkit raises on purpose."""

    exit_status = 1


class InvalidArgument(LabError, ValueError):
    """A value that makes no sense."""

    exit_status = 2


class UnknownName(InvalidArgument, LookupError):
    """A recipe, an engine, a run or a notebook that is not there."""


class InvalidData(LabError, ValueError):
    """Rows or files that do not fit the schema."""

    exit_status = 3


class NotEnoughResources(LabError):
    """More than this machine has."""

    exit_status = 4


class NotEnoughMemory(NotEnoughResources, MemoryError):
    """More memory than this machine has."""


class NotEnoughDisk(NotEnoughResources, OSError):
    """More disk than there is left."""


class ClusterError(LabError, ConnectionError):
    """A Ray cluster that does not answer, or does not fit."""

    exit_status = 5


class PortInUse(LabError, OSError):
    """A port that somebody else holds."""

    exit_status = 5


class StorageError(LabError, OSError):
    """A folder or a database that cannot be read or written."""

    exit_status = 6


class OldLayout(StorageError):
    """A lab folder or database of another version of labkit."""


class Busy(LabError, TimeoutError):
    """Somebody else holds what is needed."""

    exit_status = 7


class TaskFailed(LabError, RuntimeError):
    """A task that failed more often than it may."""

    exit_status = 8


class ResultsDiffer(LabError, ArithmeticError):
    """Two ways of doing the same work that disagree."""

    exit_status = 9


class InvalidMeasurement(LabError, ValueError):
    """Timings from which nothing follows."""

    exit_status = 9
