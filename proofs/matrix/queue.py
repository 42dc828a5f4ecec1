"""An at-least-once queue with its dead letters, as SQS and the template have it."""

from dataclasses import dataclass, field, replace

VISIBILITY, MOST_RECEIVES = 360, 12


@dataclass(frozen=True, slots=True)
class Message:
    number: int
    body: str
    receives: int = 0
    visible_at: int = 0


@dataclass(slots=True)
class Queue:
    waiting: dict[int, Message] = field(default_factory=dict)
    dead: dict[int, Message] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)

    def send(self, body: str) -> Message:
        message = Message(len(self.sent), body)
        self.sent.append(body)
        self.waiting[message.number] = message
        return message

    def receive(self, now: int) -> Message | None:
        """Hide the first visible message for a while; one that came too often is set aside."""
        for message in list(self.waiting.values()):
            if message.visible_at > now:
                continue
            if message.receives >= MOST_RECEIVES:
                self.dead[message.number] = self.waiting.pop(message.number)
                continue
            taken = replace(message, receives=message.receives + 1, visible_at=now + VISIBILITY)
            self.waiting[message.number] = taken
            return taken
        return None

    def next_visible(self) -> int | None:
        return min((one.visible_at for one in self.waiting.values()), default=None)

    def delete(self, message: Message) -> None:
        self.waiting.pop(message.number, None)

    def bury(self, message: Message) -> None:
        """It came too often."""
        self.dead[message.number] = self.waiting.pop(message.number)

    def redrive(self) -> None:
        """A person sends the dead letters back."""
        for message in self.dead.values():
            self.waiting[message.number] = replace(message, receives=0, visible_at=0)
        self.dead.clear()
