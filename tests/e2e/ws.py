"""A WebSocket client small enough to send what no good client would: frames are made by hand (RFC 6455)."""
import base64
import json
import os
import socket
import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class WebSocket:
    def __init__(self, address, path, headers=(), timeout=30):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: {address}", "Upgrade: websocket", "Connection: Upgrade",
                 f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *headers, "", ""]
        self.socket.sendall("\r\n".join(lines).encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        self.status = int(head.split()[1])
        self.head = head.decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.buffer += data

    def body(self):
        """What follows a refused handshake."""
        size = next(int(line.split(":")[1]) for line in self.head.splitlines() if line.lower().startswith("content-length"))
        while len(self.buffer) < size:
            self._more()
        return self.buffer[:size].decode()

    def send(self, payload, opcode=TEXT, fin=True, masked=True, length=None):
        data = payload if isinstance(payload, bytes) else (payload if isinstance(payload, str) else json.dumps(payload)).encode()
        size = len(data) if length is None else length
        first = (0x80 if fin else 0) | opcode
        bit = 0x80 if masked else 0
        if size < 126:
            head = struct.pack("!BB", first, bit | size)
        elif size < 65536:
            head = struct.pack("!BBH", first, bit | 126, size)
        else:
            head = struct.pack("!BBQ", first, bit | 127, size)
        if masked:
            mask = os.urandom(4)
            data = mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data))
        self.socket.sendall(head + data)

    def receive(self):
        """The next frame: opcode and payload."""
        while True:
            frame = self._frame()
            if frame is not None:
                return frame
            self._more()

    def _frame(self):
        b = self.buffer
        if len(b) < 2:
            return None
        size, at = b[1] & 0x7F, 2
        if size == 126:
            if len(b) < 4:
                return None
            size, at = struct.unpack("!H", b[2:4])[0], 4
        elif size == 127:
            if len(b) < 10:
                return None
            size, at = struct.unpack("!Q", b[2:10])[0], 10
        if len(b) < at + size:
            return None
        self.buffer = b[at + size:]
        return b[0] & 0x0F, b[at:at + size]

    def until_close(self):
        """Every JSON message up to the close, and its code and reason."""
        messages = []
        while True:
            opcode, payload = self.receive()
            if opcode == CLOSE:
                code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 1005
                return messages, code, payload[2:].decode()
            if opcode == TEXT:
                messages.append(json.loads(payload))


def outputs(messages):
    """What came on standard output and standard error, and the exit code (None without one)."""
    text = {"stdout": b"", "stderr": b""}
    code = None
    for message in messages:
        for name in text:
            text[name] += base64.b64decode(message.get(name, {}).get("data", ""))
        if message.get("exited"):
            code = message["result"]["exit_code"]
    return text["stdout"].decode(), text["stderr"].decode(), code
