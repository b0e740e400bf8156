"""Ways out of a session. Each attempt returns when it got through and raises when it did not.

This source is run inside a session, after a line ``TARGETS = {...}``; it prints JSON. No
attempt does harm where it gets through: what it would change is a bait, a call's arguments
are such that the kernel refuses them after it has let the caller in, and what it opens for
writing it does not write.
"""

# ruff: noqa: N818, PTH101, PTH104, PTH108, PTH110, PTH116, PTH123, PTH208, PTH211, T201, TRY300

import ctypes
import errno
import fcntl
import json
import os
import platform
import resource
import signal
import socket
import stat
import struct
from pathlib import Path

TARGETS = globals().get("TARGETS", {})
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
ATTEMPTS = {}
CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWNS = 0x10000000, 0x40000000, 0x20000


class Held(Exception):
    """The wall held."""


def attempt(function):
    ATTEMPTS[function.__name__] = function
    return function


def call(number, *arguments):
    """Make a system call; return what it returns, or raise OSError."""
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = LIBC.syscall(ctypes.c_long(number), *words)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


# ---------------------------------------------------------------- files


@attempt
def read_file():
    Path(TARGETS["secret"]).read_text()


@attempt
def list_directory():
    os.listdir(TARGETS["host"])


@attempt
def write_file():
    (Path(TARGETS["host"]) / "written").write_text("x")


@attempt
def append_to_file():
    with open(TARGETS["secret"], "a"):
        pass


@attempt
def truncate_file():
    os.truncate(TARGETS["bait"], 1)


@attempt
def read_other_session():
    Path(TARGETS["other"]).read_text()


@attempt
def list_sessions():
    os.listdir(Path(TARGETS["other"]).parents[2])


@attempt
def change_software():
    with open(TARGETS["software"], "ab"):
        pass


@attempt
def change_mode():
    os.chmod(TARGETS["bait"], 0o640)
    if stat.S_IMODE(os.stat(TARGETS["bait"]).st_mode) != 0o640:
        raise Held


@attempt
def change_mode_of_open_software():
    before = stat.S_IMODE(os.stat(TARGETS["software"]).st_mode)
    with open(TARGETS["software"], "rb") as stream:
        os.fchmod(stream.fileno(), before ^ 0o001)
        if stat.S_IMODE(os.fstat(stream.fileno()).st_mode) == before:
            raise Held
        os.fchmod(stream.fileno(), before)


@attempt
def change_times():
    os.utime(TARGETS["bait"], (1, 1))
    if int(os.stat(TARGETS["bait"]).st_mtime) != 1:
        raise Held


@attempt
def change_owner():
    os.chown(TARGETS["bait"], 65534, 65534)


@attempt
def set_attribute():
    os.setxattr(TARGETS["bait"], "user.x", b"x")


@attempt
def rename_file():
    os.rename(TARGETS["bait"], TARGETS["bait"] + ".moved")
    os.rename(TARGETS["bait"] + ".moved", TARGETS["bait"])


@attempt
def link_file():
    os.link(TARGETS["bait"], "linked")
    os.unlink("linked")


@attempt
def follow_own_link():
    os.symlink(TARGETS["secret"], "pointer")
    try:
        Path("pointer").read_text()
    finally:
        os.unlink("pointer")


@attempt
def leave_through_descriptor():
    for fd in range(64):
        try:
            os.close(os.open(TARGETS["secret"].lstrip("/"), os.O_RDONLY, dir_fd=fd))
            return
        except OSError:
            continue
    with open(f"/proc/self/root{TARGETS['secret']}"):
        pass


@attempt
def leave_through_other_root():
    with open(f"/proc/{TARGETS['victim']}/root{TARGETS['secret']}"):
        pass


@attempt
def make_device():
    os.mknod("null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.unlink("null")


@attempt
def make_block_device():
    os.mknod("disk", stat.S_IFBLK | 0o666, os.makedev(254, 0))
    os.unlink("disk")


@attempt
def open_kernel_log():
    os.close(os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK))


@attempt
def set_user_id_bit():
    Path("suid").write_text("x")
    try:
        os.chmod("suid", 0o4755)
        if not os.stat("suid").st_mode & stat.S_ISUID:
            raise Held
    finally:
        os.unlink("suid")


@attempt
def watch_files():
    fd = call({"x86_64": 294, "aarch64": 26}[platform.machine()], 0)
    try:
        number = {"x86_64": 254, "aarch64": 27}[platform.machine()]
        call(number, fd, TARGETS["host"].encode(), 0x2)
    finally:
        os.close(fd)


@attempt
def hold_a_watch():
    os.close(call({"x86_64": 294, "aarch64": 26}[platform.machine()], 0))


@attempt
def lock_software():
    with open(TARGETS["software"], "rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)


@attempt
def make_file_without_a_name():
    os.close(os.open(".", os.O_TMPFILE | os.O_RDWR))


@attempt
def make_file_without_a_name_by_another_call():
    how = struct.pack("QQQ", os.O_TMPFILE | os.O_RDWR, 0o600, 0)
    os.close(call(437, -100, b".", how, len(how)))


# ---------------------------------------------------------------- environment and memory


def canary():
    return TARGETS["canary_reversed"][::-1]


@attempt
def find_canary_in_environment():
    if canary() not in os.environ.values():
        raise Held


@attempt
def find_canary_in_processes():
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if canary().encode() in path.read_bytes():
                return
        except OSError:
            continue
    raise Held


@attempt
def read_memory_of_victim():
    with open(f"/proc/{TARGETS['victim']}/mem", "rb"):
        pass


@attempt
def read_memory_of_own_init():
    with open(f"/proc/{os.getppid()}/mem", "rb"):
        pass


@attempt
def read_memory_by_call():
    local = ctypes.create_string_buffer(8)
    vector = struct.pack("PN", ctypes.addressof(local), 8)
    remote = struct.pack("PN", int(TARGETS["victim_address"]), 8)
    number = {"x86_64": 310, "aarch64": 270}[platform.machine()]
    call(number, TARGETS["victim"], vector, 1, remote, 1, 0)


@attempt
def trace_victim():
    number = {"x86_64": 101, "aarch64": 117}[platform.machine()]
    call(number, 0x4206, TARGETS["victim"], 0, 0)  # PTRACE_SEIZE: does not stop it


@attempt
def trace_own_init():
    number = {"x86_64": 101, "aarch64": 117}[platform.machine()]
    call(number, 0x4206, os.getppid(), 0, 0)


@attempt
def take_descriptor_of_victim():
    handle = os.pidfd_open(TARGETS["victim"])
    try:
        os.close(call(438, handle, 0, 0))
    finally:
        os.close(handle)


@attempt
def compare_with_victim():
    call(
        {"x86_64": 312, "aarch64": 272}[platform.machine()], os.getpid(), TARGETS["victim"], 1, 0, 0
    )


# ---------------------------------------------------------------- network


@attempt
def connect_ipv4():
    with socket.create_connection(("127.0.0.1", TARGETS["tcp"]), 1) as connection:
        connection.recv(1)


@attempt
def connect_ipv6():
    with socket.create_connection(("::1", TARGETS["tcp6"]), 1) as connection:
        connection.recv(1)


@attempt
def exchange_udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(0.3)
        peer.sendto(b"x", ("127.0.0.1", TARGETS["udp"]))
        peer.recv(1)


@attempt
def connect_unix_path():
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(TARGETS["unix"])


@attempt
def connect_unix_abstract():
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("\0" + TARGETS["abstract"])


@attempt
def send_datagram_from_a_pair():
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            one, other = socket.socketpair(socket.AF_UNIX, kind)
        except OSError:
            continue
        with one, other:
            one.sendto(b"x", TARGETS["datagrams"])
            return
    raise Held


@attempt
def hand_a_descriptor_to_the_host():
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other:
        one.connect(TARGETS["datagrams"])
        socket.send_fds(one, [b"x"], [0])


@attempt
def pair_sockets_of_a_family_that_is_refused():
    for one in socket.socketpair(30, socket.SOCK_STREAM):  # AF_TIPC
        one.close()


@attempt
def open_vsock():
    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close()


@attempt
def open_netlink():
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()


@attempt
def open_packet():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()


@attempt
def open_raw():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()


@attempt
def open_crypto():
    socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).close()


@attempt
def see_other_interfaces():
    if len(socket.if_nameindex()) < 2:
        raise Held


# ---------------------------------------------------------------- processes


@attempt
def see_victim():
    if str(TARGETS["victim"]) not in os.listdir("/proc"):
        raise Held


@attempt
def signal_victim():
    os.kill(TARGETS["victim"], 0)


@attempt
def signal_victim_by_handle():
    handle = os.pidfd_open(TARGETS["victim"])
    try:
        signal.pidfd_send_signal(handle, 0)
    finally:
        os.close(handle)


@attempt
def slow_victim_down():
    os.setpriority(os.PRIO_PROCESS, TARGETS["victim"], 1)


@attempt
def pin_victim():
    os.sched_setaffinity(TARGETS["victim"], os.sched_getaffinity(0))


@attempt
def limit_victim():
    bound = resource.prlimit(TARGETS["victim"], resource.RLIMIT_NOFILE)
    resource.prlimit(TARGETS["victim"], resource.RLIMIT_NOFILE, bound)


@attempt
def raise_own_limits():
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard + 1))


@attempt
def raise_own_priority():
    os.nice(-1)


@attempt
def attach_shared_memory():
    number = {"x86_64": 30, "aarch64": 196}[platform.machine()]
    call(number, TARGETS["shared_memory"], 0, 0)


@attempt
def send_to_a_queue():
    message = ctypes.create_string_buffer(struct.pack("l", 1) + b"x")
    number = {"x86_64": 69, "aarch64": 189}[platform.machine()]
    call(number, TARGETS["queue"], message, 1, 0o4000)


@attempt
def receive_from_a_queue():
    message = ctypes.create_string_buffer(64)
    number = {"x86_64": 70, "aarch64": 188}[platform.machine()]
    call(number, TARGETS["full_queue"], message, 32, 0, 0o4000)


@attempt
def ask_about_a_queue():
    number = {"x86_64": 71, "aarch64": 187}[platform.machine()]
    call(number, TARGETS["queue"], 2, ctypes.create_string_buffer(512))


# ---------------------------------------------------------------- namespaces


@attempt
def unshare_user():
    in_child(lambda: call({"x86_64": 272, "aarch64": 97}[platform.machine()], CLONE_NEWUSER))


@attempt
def unshare_network():
    in_child(lambda: call({"x86_64": 272, "aarch64": 97}[platform.machine()], CLONE_NEWNET))


@attempt
def clone_user():
    number = {"x86_64": 56, "aarch64": 220}[platform.machine()]
    born(call(number, CLONE_NEWUSER | signal.SIGCHLD, 0, 0, 0, 0))


@attempt
def clone3_user():
    arguments = struct.pack("Q" * 8, CLONE_NEWUSER, 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
    born(call(435, arguments, len(arguments)))


def born(pid):
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def in_child(action):
    """Do what would change this process in a child of its own."""
    pid = os.fork()
    if pid == 0:
        try:
            action()
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        raise OSError(code, os.strerror(code))


@attempt
def join_namespace():
    with open(f"/proc/{TARGETS['victim']}/ns/net") as namespace:
        number = {"x86_64": 308, "aarch64": 268}[platform.machine()]
        in_child(lambda: call(number, namespace.fileno(), 0))


@attempt
def change_root():
    in_child(lambda: os.chroot("/"))


# ---------------------------------------------------------------- kernel

# Calls with arguments that the kernel refuses once it has let the caller in.
CALLS = {
    "io_uring_setup": (425, 425, (1, 0)),
    "bpf": (321, 280, (0, 0, 0)),
    "perf_event_open": (298, 241, (0, 0, 0, 0, 0)),
    "keyctl": (250, 219, (0, -3, 0)),
    "add_key": (248, 217, (0, 0, 0, 0, 0)),
    "request_key": (249, 218, (0, 0, 0, 0)),
    "userfaultfd": (323, 282, (1 << 30,)),
    "memfd_create": (319, 279, (0, 0)),
    "name_to_handle_at": (303, 264, (-100, b".", 0, 0, 0)),
    "open_by_handle_at": (304, 265, (-100, 0, 0)),
    "mount": (165, 40, (0, 0, 0, 0, 0)),
    "umount2": (166, 39, (b"/no/such/place", 0)),
    "open_tree": (428, 428, (-100, b"/no/such/place", 0)),
    "move_mount": (429, 429, (-1, b"x", -1, b"x", 0)),
    "fsopen": (430, 430, (b"none-such", 0)),
    "mount_setattr": (442, 442, (-1, b"", 0, 0, 0)),
    "pivot_root": (155, 41, (b"/no/such/place", b"/no/such/place")),
    "fanotify_init": (300, 262, (0xFFFF0000, 0)),
    "quotactl": (179, 60, (0, 0, 0, 0)),
    "personality": (135, 92, (0xFFFFFFFF,)),
    "init_module": (175, 105, (0, 0, 0)),
    "kexec_load": (246, 104, (0, 1000, 0, 0)),
    "swapon": (167, 224, (b"/no/such/place", 0)),
    "reboot": (169, 142, (0, 0, 0, 0)),
    "sethostname": (170, 161, (0, -1)),
    "settimeofday": (164, 170, (1, 0)),
    "clock_settime": (227, 112, (0, 1)),
    "acct": (163, 89, (b"/no/such/place",)),
    "syslog": (103, 116, (3, 0, 0)),
    "seccomp": (317, 277, (99, 0, 0)),
    "set_mempolicy": (238, 237, (99, 0, 0)),
    "move_pages": (279, 239, (0, 0, 0, 0, 0, 0)),
    "process_madvise": (440, 440, (-1, 0, 0, 0, 0)),
    "io_setup": (206, 0, (0, 0)),
    "memfd_secret": (447, 447, (1 << 30,)),
}


def reach(name):
    x86, arm, arguments = CALLS[name]
    try:
        call(x86 if platform.machine() == "x86_64" else arm, *arguments)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES, errno.ENOSYS):
            raise


for _name in CALLS:
    ATTEMPTS["call_" + _name] = lambda name=_name: reach(name)


@attempt
def fallocate():
    with open("reserved", "wb") as stream:
        number = {"x86_64": 285, "aarch64": 47}[platform.machine()]
        try:
            call(number, stream.fileno(), 0, 0, 1 << 20)
        finally:
            os.unlink("reserved")


@attempt
def push_into_terminal():
    try:
        call({"x86_64": 16, "aarch64": 29}[platform.machine()], 0, 0x5412, b"x")
    except OSError as error:
        if error.errno != errno.ENOTTY:
            raise


def openable(path, flags=os.O_WRONLY):
    """Open for writing, and do not write; the null device may stand in the file's place."""
    descriptor = os.open(path, flags)
    try:
        if os.fstat(descriptor).st_rdev == os.makedev(1, 3):
            raise Held
    finally:
        os.close(descriptor)


@attempt
def open_core_pattern():
    openable("/proc/sys/kernel/core_pattern")


@attempt
def open_drop_caches():
    openable("/proc/sys/vm/drop_caches")


@attempt
def open_sysrq():
    openable("/proc/sysrq-trigger")


@attempt
def open_hotplug():
    openable(
        "/sys/kernel/uevent_helper"
        if os.path.exists("/sys/kernel/uevent_helper")
        else "/sys/kernel/profiling"
    )


@attempt
def open_kernel_memory():
    openable("/proc/kcore", os.O_RDONLY)


def results():
    """Try everything; return ``{name: "" if it got through, else why not}``."""
    found = {}
    for name, function in ATTEMPTS.items():
        try:
            function()
            found[name] = ""
        except Exception as error:
            found[name] = repr(error)
    return found


if TARGETS:
    print(json.dumps(results()))
