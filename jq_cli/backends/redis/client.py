"""Speaks to one Redis server within a deadline: opens the connection when it is needed, loads scripts, waits out what passes,
sends again what may be sent again, and turns every error into ours."""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import hiredis

from jq_cli.backends.answer import Answer
from jq_cli.backends.redis.address import Address
from jq_cli.backends.redis.connection import Command, Connection, pack
from jq_cli.backends.redis.errors import PASSING, TROUBLE, code_of, hopeless, ours
from jq_cli.backends.redis.scripts import Call, script
from jq_cli.backends.redis.sentinel import opened
from jq_cli.errors import BackendError

_FIRST_WAIT = 0.01
_LONGEST_WAIT = 0.25

Asked = Command | Call


class RedisClient:
    """One server, one connection at a time. Each call ends within `address.timeout` seconds, with an answer or an error.
    `connections` counts those opened so far. With `one_server` a script may touch several queues."""

    one_server = True

    def __init__(self, address: Address) -> None:
        self.address = address
        self.connections = 0
        self._connection: Connection | None = None
        self._answer: Answer[Any] | None = None

    def call(self, command: Asked, *, again: bool = True) -> Any:
        """The answer to one command. With `again` it is sent once more when the connection is lost before the answer came;
        without, that raises BackendUnreachable, and whether it took effect is unknown."""
        return self.pipeline([command], again=again)[0]

    def pipeline(self, commands: Iterable[Asked], *, again: bool = True) -> list[Any]:
        """The answers to several commands, each sent as soon as it is made, none waiting for an answer in between."""
        patience = Patience(self.address.timeout)
        try:
            sent, answers = self._exchange(iter(commands), patience, again)
            return self._accepted(sent, answers, patience, again)
        except TROUBLE as error:
            raise self._ours(error, patience) from error

    def begin(self, command: Asked) -> Callable[[], Any]:
        """As `call` without `again`, in two halves: sends the command, and gives what waits for the answer, for as long as a
        call may take. What else is asked meanwhile waits for it first."""
        patience = Patience(self.address.timeout)
        try:
            connection = self._open_for(command, patience, check=True)
            try:
                connection.send(self._packed(command), patience.deadline)
            except BaseException:
                self.close()
                raise
        except TROUBLE as error:
            raise self._ours(error, patience) from error
        answer = self._answer = Answer(lambda: self._land(command, connection))
        return answer.take

    def _land(self, command: Asked, connection: Connection) -> Any:
        self._answer = None
        patience = Patience(self.address.timeout)
        try:
            try:
                answer = connection.receive(patience.deadline)
            except BaseException:
                self.close()
                raise
            return self._accepted([command], [answer], patience, again=False)[0]
        except TROUBLE as error:
            raise self._ours(error, patience) from error

    def _ours(self, error: Exception, patience: "Patience") -> BackendError:
        """Our error; when time ran out, for what was waited out."""
        cause = patience.last if isinstance(error, TimeoutError) else None
        return ours(cause or error, self.address.shown)

    def close(self) -> None:
        """Close the connection; the next call opens another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _accepted(self, sent: list[Asked], answers: list[Any], patience: "Patience", again: bool) -> list[Any]:
        """The answers, once no command is refused any more."""
        while refused := [n for n, answer in enumerate(answers) if isinstance(answer, hiredis.ReplyError)]:
            for n in {_reason(sent[n], answers[n]): n for n in refused}.values():
                self._clear_way(sent[n], answers[n], patience)
            _, repeated = self._exchange(iter([sent[n] for n in refused]), patience, again)
            for n, answer in zip(refused, repeated, strict=True):
                answers[n] = answer
        return answers

    def _exchange(self, commands: Iterator[Asked], patience: "Patience", again: bool) -> tuple[list[Asked], list[Any]]:
        """The commands sent and an answer for each."""
        sent: list[Asked] = []
        answers: list[Any] = []
        connection = self._open(patience, check=not again)
        try:
            for command in commands:
                sent.append(command)
                connection.send(self._packed(command), patience.deadline)
            while len(answers) < len(sent):
                answers.append(connection.receive(patience.deadline))
        except BaseException as error:
            return self._resumed(error, sent, answers, commands, patience, again=again)
        return sent, answers

    def _resumed(
        self,
        error: BaseException,
        sent: list[Asked],
        answers: list[Any],
        rest: Iterator[Asked],
        patience: "Patience",
        *,
        again: bool,
    ) -> tuple[list[Asked], list[Any]]:
        """What an exchange comes to that broke off: what was not answered is sent again if it may be."""
        # Whatever happened, an answer that comes later must not be taken for that of another command.
        self.close()
        if not again or isinstance(error, TimeoutError) or not isinstance(error, OSError):
            raise error
        done = len(answers)
        resent = [command.resent() if isinstance(command, Call) else command for command in sent[done:]]
        more = self._exchange(iter([*resent, *rest]), patience, again=False)
        return sent[:done] + more[0], answers + more[1]

    @staticmethod
    def _packed(command: Asked) -> bytes:
        if isinstance(command, Call):
            command = ("EVALSHA", script(command.name).sha, *command.arguments)
        return pack(command)

    def _open_for(self, command: Asked, patience: "Patience", *, check: bool) -> Connection:
        """The connection to the server that a command is for."""
        return self._open(patience, check=check)

    def _open(self, patience: "Patience", *, check: bool) -> Connection:
        if self._answer is not None:
            self._answer.await_it()
        if check and self._connection is not None and self._connection.ended():
            self.close()
        while self._connection is None:
            try:
                self._connection = opened(self.address, patience.deadline)
                self.connections += 1
            except (OSError, hiredis.ReplyError) as error:
                if hopeless(error):
                    raise
                patience.wait(error)
        return self._connection

    def _clear_way(self, command: Asked, error: hiredis.ReplyError, patience: "Patience") -> None:
        """Remove what made the server refuse a command, which has changed nothing; raises the error when that is not possible."""
        if isinstance(command, Call) and code_of(error) == "NOSCRIPT":
            self._load(command.name, patience)
        elif code_of(error) in PASSING:
            if code_of(error) == "READONLY":
                self.close()  # the name may stand for another server by now, the new primary
            patience.wait(error)
        else:
            raise error

    def _load(self, name: str, patience: "Patience") -> None:
        load: Asked = ("SCRIPT", "LOAD", script(name).text)
        _, (answer,) = self._exchange(iter([load]), patience, again=True)
        if isinstance(answer, hiredis.ReplyError):
            self._clear_way(load, answer, patience)


def _reason(command: Asked, error: hiredis.ReplyError) -> tuple[str, str]:
    """What must be cleared away: commands refused for the same reason need it once."""
    return code_of(error), command.name if isinstance(command, Call) else ""


class Patience:
    """The time a call has, and ever longer waits within it, each of a random length so that clients do not come in step.
    `last` is what was waited for last."""

    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        # A later try would fail for lack of time, and hide what is the matter.
        self._last_try = self.deadline - seconds / 10
        self.last: Exception | None = None
        self._next = _FIRST_WAIT

    def wait(self, error: Exception) -> None:
        """Wait a little; raises the error when no time is left for that."""
        self.last = error
        pause = self._next * random.uniform(0.5, 1)
        if time.monotonic() + pause >= self._last_try:
            raise error
        time.sleep(pause)
        self._next = min(2 * self._next, _LONGEST_WAIT)
