"""Both ends of the traffic of run.sh.

traffic.py serve ADDRESS              DNS, SSH banners and a sink for bulk data, until it is ended
traffic.py talk ADDRESS INTERFACE     one client of each; a VLAN-tagged datagram through INTERFACE
traffic.py tagged ADDRESS INTERFACE   that datagram alone
traffic.py flood ADDRESS SECONDS      a datagram after the other, each from another port
traffic.py collect PORT FILE          what comes as datagrams, one after the other, until it is ended
traffic.py terminal KEY COMMAND...    a command on a terminal of 24 x 100, KEY pressed after three seconds
"""
import fcntl
import os
import pty
import select
import socket
import struct
import sys
import termios
import threading
import time

NAME = "host.example.net"
BULK_CONNECTIONS, BULK_BYTES = 8, 400_000


def serve_dns(address):
    room = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    room.bind((address, 53))
    while True:
        query, client = room.recvfrom(512)
        answer = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 300, 4) + bytes([198, 51, 100, 7])
        room.sendto(query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:] + answer, client)


def serve_stream(address, port, serve):
    listener = socket.create_server((address, port))
    while True:
        peer, _ = listener.accept()
        threading.Thread(target=serve, args=(peer,), daemon=True).start()


def swallow(peer):
    with peer:
        while peer.recv(1 << 16):
            pass


def greet(peer):
    with peer:
        peer.sendall(b"SSH-2.0-ServerSoft_1.0\r\n")
        peer.recv(256)
        peer.recv(256)


def serve(address):
    for target in (
        lambda: serve_dns(address),
        lambda: serve_stream(address, 22, greet),
        lambda: serve_stream(address, 9000, swallow),
    ):
        threading.Thread(target=target, daemon=True).start()
    time.sleep(600)


def ask_dns(address):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in NAME.split("."))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as room:
        room.settimeout(5)
        room.sendto(b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1", (address, 53))
        room.recvfrom(512)


def talk_ssh(address):
    with socket.create_connection((address, 22)) as peer:
        peer.recv(256)
        peer.sendall(b"SSH-2.0-ClientSoft_2.0\r\n")


def send_bulk(address):
    for _ in range(BULK_CONNECTIONS):
        with socket.create_connection((address, 9000)) as peer:
            peer.sendall(b"x" * BULK_BYTES)


def send_tagged(address, interface):
    """UDP from 198.51.100.9 port 4000 to port 4001 in VLAN 7: 4 + 14 + 28 bytes and a payload of 20."""
    source, target = socket.inet_aton("198.51.100.9"), socket.inet_aton(address)
    udp = struct.pack("!HHHH", 4000, 4001, 28, 0) + b"t" * 20
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + source + target
    addresses = b"\xff" * 6 + b"\x02\0\0\0\0\x09"
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as room:
        room.bind((interface, 0))
        room.send(addresses + struct.pack("!HHH", 0x8100, 7, 0x0800) + header + udp)


def flood(address, seconds):
    end = time.monotonic() + float(seconds)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 28, 1, 0, 64, 17, 0) + bytes(4) + socket.inet_aton(address)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as room:
        while time.monotonic() < end:
            for port in range(1024, 65536, 8):
                room.sendto(header + struct.pack("!HHHH", port, 4002, 8, 0), (address, 0))


def talk(address, interface):
    ask_dns(address)
    talk_ssh(address)
    send_bulk(address)
    send_tagged(address, interface)


def collect(port, path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as room, open(path, "wb", buffering=0) as out:
        room.bind(("127.0.0.1", int(port)))
        while True:
            out.write(room.recv(1 << 16))


def on_terminal(key, command):
    """Prints what the terminal received; exits with the command's status."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    deadline, pressed, received = time.monotonic() + 3, False, b""
    while True:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # the command has ended
                break
            received += piece
        if time.monotonic() > deadline and not pressed:
            os.write(terminal, key.encode())
            pressed = True
    sys.stdout.buffer.write(received)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.exit(status)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    elif sys.argv[1] == "talk":
        talk(*sys.argv[2:])
    elif sys.argv[1] == "tagged":
        send_tagged(*sys.argv[2:])
    elif sys.argv[1] == "flood":
        flood(*sys.argv[2:])
    elif sys.argv[1] == "collect":
        collect(*sys.argv[2:])
    else:
        on_terminal(sys.argv[2], sys.argv[3:])
