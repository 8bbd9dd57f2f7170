#pragma once
// The language between an agent and its node's supervisor (docs/formats/supervisor.md): frames on a
// unix socket. Shared by the static programs, so it needs nothing but the standard library: no fmt,
// no exceptions. Integers are little endian.
//
// A frame: u32 payload length, u16 kind, u16 zero, u64 request id, payload. A payload is a list of
// fields: u16 tag, u32 length, bytes; an unknown tag is skipped, a missing one has its zero value,
// so an old supervisor serves a new agent. Requests carry an id chosen by the agent and are
// idempotent: after a broken connection the agent sends what was not answered again.

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nl::supervisor {

inline constexpr std::uint32_t kProtocolVersion = 1;
inline constexpr std::size_t kFrameHeaderBytes = 16;
inline constexpr std::size_t kMaxFrameBytes = 1U << 20;
/// What an exit status is when the process ended before it was let go; never reported to the agent.
inline constexpr int kNeverStartedExit = 252;

enum class Kind : std::uint16_t {
    // Agent to supervisor.
    Hello = 1,
    Spawn = 2,
    Signal = 3,
    Stop = 4,
    Destroy = 5,
    Ack = 6,
    List = 7,
    Shutdown = 8,
    Restart = 9,
    // Supervisor to agent.
    Reply = 64,
    Failure = 65,
    TaskInfo = 66,
    Exited = 67,
};

struct FrameHeader {
    std::uint32_t length{};
    Kind kind{};
    std::uint64_t id{};
};

template <class T>
void put_integer(std::string& out, T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        out.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xff));
    }
}
template <class T>
T get_integer(const char* at) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        value |= static_cast<std::uint64_t>(static_cast<unsigned char>(at[i])) << (8 * i);
    }
    return static_cast<T>(value);
}

inline std::string make_frame(Kind kind, std::uint64_t id, std::string_view payload) {
    std::string out;
    out.reserve(kFrameHeaderBytes + payload.size());
    put_integer(out, static_cast<std::uint32_t>(payload.size()));
    put_integer(out, static_cast<std::uint16_t>(kind));
    put_integer(out, std::uint16_t{0});
    put_integer(out, id);
    out.append(payload);
    return out;
}

/// The header at the front of `buffer`, once all of it is there. A length above the limit is the
/// caller's to refuse.
inline std::optional<FrameHeader> peek_header(std::string_view buffer) {
    if (buffer.size() < kFrameHeaderBytes) {
        return std::nullopt;
    }
    return FrameHeader{
        get_integer<std::uint32_t>(buffer.data()),
        static_cast<Kind>(get_integer<std::uint16_t>(buffer.data() + 4)),
        get_integer<std::uint64_t>(buffer.data() + 8)
    };
}

/// Builds a payload.
class FieldWriter {
public:
    void text(std::uint16_t tag, std::string_view value) {
        if (!value.empty()) {
            raw(tag, value);
        }
    }
    void number(std::uint16_t tag, std::int64_t value) {
        if (value != 0) {
            std::string bytes;
            put_integer(bytes, value);
            raw(tag, bytes);
        }
    }
    void list(std::uint16_t tag, const std::vector<std::string>& values) {
        for (const std::string& value : values) {
            raw(tag, value);
        }
    }
    const std::string& out() const { return out_; }

private:
    void raw(std::uint16_t tag, std::string_view value) {
        put_integer(out_, tag);
        put_integer(out_, static_cast<std::uint32_t>(value.size()));
        out_.append(value);
    }
    std::string out_;
};

/// Walks a payload: `while (reader.next()) switch (reader.tag()) ...`. Stops and says `damaged` at
/// a length that leads outside.
class FieldReader {
public:
    explicit FieldReader(std::string_view in) : in_(in) {}
    bool next() {
        if (in_.empty()) {
            return false;
        }
        if (in_.size() < 6) {
            damaged_ = true;
            return false;
        }
        tag_ = get_integer<std::uint16_t>(in_.data());
        const auto length = get_integer<std::uint32_t>(in_.data() + 2);
        if (length > in_.size() - 6) {
            damaged_ = true;
            return false;
        }
        value_ = in_.substr(6, length);
        in_.remove_prefix(6 + length);
        return true;
    }
    std::uint16_t tag() const { return tag_; }
    std::string text() const { return std::string(value_); }
    std::int64_t number() const {
        return value_.size() == 8 ? get_integer<std::int64_t>(value_.data()) : 0;
    }
    bool damaged() const { return damaged_; }

private:
    std::string_view in_;
    std::string_view value_;
    std::uint16_t tag_ = 0;
    bool damaged_ = false;
};

/// One process to start, all of it resolved by the agent: numbers for users, whole paths.
struct SpawnSpec {
    /// Names the task instance for ever; "<alloc>/<task>/<attempt>".
    std::string id;
    std::string path;
    std::vector<std::string> argv;
    /// "NAME=value"
    std::vector<std::string> env;
    std::string cwd;
    /// Log files are <prefix>.0, <prefix>.1 and so on; "" throws the output away.
    std::string stdout_prefix;
    std::string stderr_prefix;
    std::int64_t log_max_files{};
    std::int64_t log_max_bytes{};
    /// Switch of user only if `change_user`.
    bool change_user{};
    std::int64_t uid{};
    std::int64_t gid{};
    std::vector<std::string> groups;
    /// cgroup v1 directories the process enters before exec; made if missing, removed at the end.
    std::vector<std::string> cgroups;
    /// One cgroup v2 directory (CLONE_INTO_CGROUP), "" for none.
    std::string cgroup2;
    /// "file=value", written into the cgroups before the start; whole paths.
    std::vector<std::string> cgroup_settings;
    /// "resource:soft:hard", resource as its number.
    std::vector<std::string> rlimits;
    /// Written to oom_score_adj unless 0.
    std::int64_t oom_score_adj{};
    /// What the process reads and writes instead of /dev/null and log files: paths to open (a pipe
    /// of the agent under /proc/<pid>/fd, or a terminal). All three or none.
    std::string stdin_path;
    std::string stdout_path;
    std::string stderr_path;
    /// stdin_path is a terminal, to become the session's.
    bool controlling_terminal{};
    /// The control groups are another task's: enter them, but neither make, limit nor remove them,
    /// and end only this process's session.
    bool borrowed_cgroups{};
    /// A network namespace to enter, "" for the node's.
    std::string net_ns;
    /// Control groups that the process makes for others (a container runtime): not entered, but
    /// killed and removed with the task.
    std::vector<std::string> owned_cgroups;

    std::string encode() const {
        FieldWriter w;
        w.text(1, id);
        w.text(2, path);
        w.list(3, argv);
        w.list(4, env);
        w.text(5, cwd);
        w.text(6, stdout_prefix);
        w.text(7, stderr_prefix);
        w.number(8, log_max_files);
        w.number(9, log_max_bytes);
        w.number(10, change_user ? 1 : 0);
        w.number(11, uid);
        w.number(12, gid);
        w.list(13, groups);
        w.list(14, cgroups);
        w.text(15, cgroup2);
        w.list(16, cgroup_settings);
        w.list(17, rlimits);
        w.number(18, oom_score_adj);
        w.text(60, stdin_path);
        w.text(61, stdout_path);
        w.text(62, stderr_path);
        w.number(63, controlling_terminal ? 1 : 0);
        w.number(64, borrowed_cgroups ? 1 : 0);
        w.text(19, net_ns);
        w.list(65, owned_cgroups);
        return w.out();
    }
    static std::optional<SpawnSpec> decode(std::string_view payload) {
        SpawnSpec s;
        FieldReader r(payload);
        while (r.next()) {
            switch (r.tag()) {
                case 1:
                    s.id = r.text();
                    break;
                case 2:
                    s.path = r.text();
                    break;
                case 3:
                    s.argv.push_back(r.text());
                    break;
                case 4:
                    s.env.push_back(r.text());
                    break;
                case 5:
                    s.cwd = r.text();
                    break;
                case 6:
                    s.stdout_prefix = r.text();
                    break;
                case 7:
                    s.stderr_prefix = r.text();
                    break;
                case 8:
                    s.log_max_files = r.number();
                    break;
                case 9:
                    s.log_max_bytes = r.number();
                    break;
                case 10:
                    s.change_user = r.number() != 0;
                    break;
                case 11:
                    s.uid = r.number();
                    break;
                case 12:
                    s.gid = r.number();
                    break;
                case 13:
                    s.groups.push_back(r.text());
                    break;
                case 14:
                    s.cgroups.push_back(r.text());
                    break;
                case 15:
                    s.cgroup2 = r.text();
                    break;
                case 16:
                    s.cgroup_settings.push_back(r.text());
                    break;
                case 17:
                    s.rlimits.push_back(r.text());
                    break;
                case 18:
                    s.oom_score_adj = r.number();
                    break;
                case 60:
                    s.stdin_path = r.text();
                    break;
                case 61:
                    s.stdout_path = r.text();
                    break;
                case 62:
                    s.stderr_path = r.text();
                    break;
                case 63:
                    s.controlling_terminal = r.number() != 0;
                    break;
                case 64:
                    s.borrowed_cgroups = r.number() != 0;
                    break;
                case 19:
                    s.net_ns = r.text();
                    break;
                case 65:
                    s.owned_cgroups.push_back(r.text());
                    break;
                default:
                    break;
            }
        }
        if (r.damaged()) {
            return std::nullopt;
        }
        return s;
    }
};

/// The end of a process.
struct ExitInfo {
    std::string id;
    std::int64_t exit_code{};
    std::int64_t signal{};
    /// Nobody who could have been told its status was there: the code is not known.
    bool unknown{};
    std::int64_t at_unix_ns{};
    std::int64_t user_ns{};
    std::int64_t system_ns{};
    std::int64_t max_rss_kb{};

    void write(FieldWriter& w) const {
        w.text(1, id);
        w.number(20, exit_code);
        w.number(21, signal);
        w.number(22, unknown ? 1 : 0);
        w.number(23, at_unix_ns);
        w.number(24, user_ns);
        w.number(25, system_ns);
        w.number(26, max_rss_kb);
    }
    void read(const FieldReader& r) {
        switch (r.tag()) {
            case 1:
                id = r.text();
                break;
            case 20:
                exit_code = r.number();
                break;
            case 21:
                signal = r.number();
                break;
            case 22:
                unknown = r.number() != 0;
                break;
            case 23:
                at_unix_ns = r.number();
                break;
            case 24:
                user_ns = r.number();
                break;
            case 25:
                system_ns = r.number();
                break;
            case 26:
                max_rss_kb = r.number();
                break;
            default:
                break;
        }
    }
};

/// What the supervisor knows of a task: in Reply to Spawn, and for List.
struct TaskInfo {
    std::string id;
    std::int64_t pid{};
    /// Field 22 of /proc/<pid>/stat: with the pid it names a process for ever (until the machine
    /// restarts).
    std::int64_t start_time{};
    std::int64_t started_unix_ns{};
    bool running{};

    void write(FieldWriter& w) const {
        w.text(1, id);
        w.number(30, pid);
        w.number(31, start_time);
        w.number(32, started_unix_ns);
        w.number(33, running ? 1 : 0);
    }
    void read(const FieldReader& r) {
        switch (r.tag()) {
            case 1:
                id = r.text();
                break;
            case 30:
                pid = r.number();
                break;
            case 31:
                start_time = r.number();
                break;
            case 32:
                started_unix_ns = r.number();
                break;
            case 33:
                running = r.number() != 0;
                break;
            default:
                break;
        }
    }
};

/// Parameters of the small requests and of the answers.
struct Words {
    std::string id;
    std::int64_t signal{};
    std::int64_t timeout_ns{};
    /// Signal: the whole task instead of its first process.
    bool whole{};
    std::int64_t version{};
    std::int64_t supervisor_pid{};
    std::int64_t guardian_pid{};
    /// Failure: errno, and what was tried.
    std::int64_t error{};
    std::string message;

    std::string encode() const {
        FieldWriter w;
        w.text(1, id);
        w.number(40, signal);
        w.number(41, timeout_ns);
        w.number(42, whole ? 1 : 0);
        w.number(43, version);
        w.number(44, supervisor_pid);
        w.number(45, guardian_pid);
        w.number(46, error);
        w.text(47, message);
        return w.out();
    }
    static Words decode(std::string_view payload) {
        Words s;
        FieldReader r(payload);
        while (r.next()) {
            switch (r.tag()) {
                case 1:
                    s.id = r.text();
                    break;
                case 40:
                    s.signal = r.number();
                    break;
                case 41:
                    s.timeout_ns = r.number();
                    break;
                case 42:
                    s.whole = r.number() != 0;
                    break;
                case 43:
                    s.version = r.number();
                    break;
                case 44:
                    s.supervisor_pid = r.number();
                    break;
                case 45:
                    s.guardian_pid = r.number();
                    break;
                case 46:
                    s.error = r.number();
                    break;
                case 47:
                    s.message = r.text();
                    break;
                default:
                    break;
            }
        }
        return s;
    }
};

}  // namespace nl::supervisor
