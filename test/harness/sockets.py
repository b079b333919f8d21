# Opens sockets and starts processes on them, as systemd does with Sockets= and Restart=: each that ends is started
# again after 100 ms, except with exit status 2. Prints "<number> <PID>" at each start. SIGTERM ends all of them.
# At each start it clears O_NONBLOCK, as systemd does if the unit has no NonBlocking=yes, or if BLOCKING is set.
# Usage: python3 sockets.py COUNT NAME=unix:/path|NAME=host:port|NAME=udp:host:port … -- COMMAND
# %i in a variable is the number of the process.
import os, pathlib, signal, socket, sys, time

count, words = int(sys.argv[1]), sys.argv[2:]
end = words.index("--")
command, held, names, running = words[end + 1 :], [], [], {}
unit = pathlib.Path(__file__).parents[2] / "deploy/systemd/postern@.service"
blocking = "BLOCKING" in os.environ or "NonBlocking=yes" not in unit.read_text().splitlines()

for word in words[:end]:
    name, address = word.split("=", 1)
    names.append(name)
    if address.startswith("unix:"):
        one, where = socket.socket(socket.AF_UNIX), address[5:]
    else:
        host, port = address.removeprefix("udp:").rsplit(":", 1)
        family = socket.AF_INET6 if "[" in host else socket.AF_INET
        kind = socket.SOCK_DGRAM if address.startswith("udp:") else socket.SOCK_STREAM
        one, where = socket.socket(family, kind), (host.strip("[]"), int(port))
    one.bind(where)
    if one.type == socket.SOCK_STREAM:
        one.listen(16384)
    if one.family == socket.AF_UNIX:
        os.chmod(where, 0o666)
    os.dup2(one.fileno(), 100 + len(held))
    held.append(one)


def start(number):
    pid = os.fork()
    if pid == 0:
        for i in range(len(held)):
            os.dup2(100 + i, 3 + i)
            os.close(100 + i)
            os.set_blocking(3 + i, blocking)
        variables = {key: value.replace("%i", str(number)) for key, value in os.environ.items()}
        own = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(held))}
        os.execve(command[0], command, {**variables, **own, "LISTEN_FDNAMES": ":".join(names)})
    running[pid] = number
    print(number, pid, flush=True)


def stop(*_):
    for pid in running:
        os.kill(pid, signal.SIGTERM)
    while running:
        running.pop(os.wait()[0], None)
    sys.exit(0)


for number in range(1, count + 1):
    start(number)
signal.signal(signal.SIGTERM, stop)
while True:
    pid, status = os.wait()
    number = running.pop(pid)
    if os.waitstatus_to_exitcode(status) == 2:
        os._exit(2)
    time.sleep(0.1)
    start(number)
