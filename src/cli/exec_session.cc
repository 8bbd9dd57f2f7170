#include "cli/exec_session.h"

#include "base/bytes.h"
#include "cli/connection.h"

#include <optional>

namespace nl::cli {
namespace {

/// How often a living client says so.
constexpr Duration kHeartbeat = seconds(10);

std::string stdin_message(std::string_view bytes) {
    return "{\"stdin\":{\"data\":\"" + base64_encode(bytes) + "\"}}";
}

/// One end of the session: what is typed, and what comes.
class Session {
public:
    Session(const Context& context, const TerminalAccess& terminal, const ExecFlags& flags)
        : env_(context.env()),
          terminal_(terminal),
          flags_(flags),
          escapes_(flags.tty ? flags.escape : '\0') {}

    /// The next message to send, if there is one.
    bool next(std::string& message) {
        if (flags_.tty) {
            const auto size = terminal_.size();
            if (size.rows > 0 && size != shown_) {
                shown_ = size;
                message = fmt::format(
                    "{{\"tty_size\":{{\"height\":{},\"width\":{}}}}}", size.rows, size.columns
                );
                return true;
            }
        }
        if (flags_.interactive && !input_ended_) {
            const auto bytes = terminal_.read_available();
            if (!bytes) {
                input_ended_ = true;
                message = "{\"stdin\":{\"close\":true}}";
                return true;
            }
            const std::string kept = bytes->empty() ? "" : escapes_.feed(*bytes, left_);
            if (!kept.empty()) {
                message = stdin_message(kept);
                return true;
            }
        } else if (!flags_.interactive && !input_ended_) {
            input_ended_ = true;
            message = "{\"stdin\":{\"close\":true}}";
            return true;
        }
        const WallTime now = env_.now();
        if (now.unix_ns - last_heartbeat_.unix_ns >= kHeartbeat.ns) {
            last_heartbeat_ = now;
            message = "{}";
            return true;
        }
        return false;
    }

    /// Takes a message; false ends the session.
    bool take(std::string_view text) {
        const auto value = parse_json(text);
        if (!value) {
            failure_ = value.error().message;
            return false;
        }
        const Doc message(*value);
        for (const bool err : {false, true}) {
            const std::string data = message[err ? "stderr" : "stdout"]["data"].text();
            if (data.empty()) {
                continue;
            }
            const auto bytes = base64_decode(data);
            if (!bytes) {
                failure_ = bytes.error().message;
                return false;
            }
            (err ? env_.err : env_.out)(*bytes);
        }
        if (message["exited"].flag()) {
            exit_code_ = message["result"]["exit_code"].integer();
        }
        return !left_;
    }

    bool left() const { return left_; }
    std::optional<std::int64_t> exit_code() const { return exit_code_; }
    const std::string& failure() const { return failure_; }

private:
    const Environment& env_;
    const TerminalAccess& terminal_;
    ExecFlags flags_;
    EscapeFilter escapes_;
    TerminalSize shown_;
    bool input_ended_{false};
    bool left_{false};
    WallTime last_heartbeat_;
    std::optional<std::int64_t> exit_code_;
    std::string failure_;
};

}  // namespace

std::string EscapeFilter::feed(std::string_view typed, bool& leave) {
    std::string out;
    for (const char c : typed) {
        if (pending_) {
            pending_ = false;
            if (c == '.') {
                leave = true;
                return out;
            }
            out += escape_;
            if (c == escape_) {
                at_line_start_ = false;
                continue;
            }
        } else if (escape_ != '\0' && at_line_start_ && c == escape_) {
            pending_ = true;
            continue;
        }
        out += c;
        at_line_start_ = c == '\r' || c == '\n';
    }
    return out;
}

std::vector<FlagSpec> exec_flags() {
    return {
        {.name = "i",
         .kind = FlagKind::Bool,
         .help = "Hand standard input on to the command.",
         .fallback = "true"},
        {.name = "t",
         .kind = FlagKind::Bool,
         .help = "Give the command a terminal. Default: if this is one."},
        {.name = "e",
         .kind = FlagKind::Text,
         .help = "The letter that begins an escape at the start of a line; <letter>. leaves, "
                 "\"none\" turns escapes off.",
         .fallback = "~"},
    };
}

Result<ExecFlags> read_exec_flags(const Context& context) {
    ExecFlags out;
    const Environment& env = context.env();
    out.interactive = context.on("i");
    out.tty = context.flags().given("t") ? context.on("t")
                                         : env.in_is_terminal && env.out_is_terminal;
    if (out.tty && !out.interactive) {
        return fail(ErrorCode::InvalidArgument, "-i must be enabled if running with tty");
    }
    const std::string escape = context.text("e");
    if (escape == "none" || escape.empty()) {
        out.escape = '\0';
    } else if (escape.size() == 1) {
        out.escape = escape.front();
    } else {
        return fail(
            ErrorCode::InvalidArgument, "-e requires 'none' or a single character"
        );
    }
    return out;
}

int run_exec_session(
    const Context& context,
    const TerminalAccess& terminal,
    const std::string& path,
    Query query,
    const ExecFlags& flags
) {
    const Connection connection = connection_of(context);
    const auto http = context.env().connect_http(connection.http);
    if (!http) {
        return context.fail("Error initializing client: {}", http.error().message);
    }
    const HttpRequest request{
        .method = "GET",
        .target = call_target(connection.api, path, std::move(query)),
        .headers = call_headers(connection.api),
        .body = {}
    };
    Session session(context, terminal, flags);
    Result<Http::SessionEnd> end = nl::fail(ErrorCode::Internal, "no session");
    {
        // Put back before anything is said.
        const std::shared_ptr<void> raw = flags.tty ? terminal.raw_mode() : nullptr;
        end = (*http)->websocket(
            request,
            [&](std::string_view text) { return session.take(text); },
            [&](std::string& message) { return session.next(message); }
        );
    }
    if (session.exit_code()) {
        return static_cast<int>(*session.exit_code());
    }
    if (session.left()) {
        return 0;
    }
    if (!session.failure().empty()) {
        return context.fail("failed to exec into task: {}", session.failure());
    }
    if (!end) {
        return context.fail("failed to exec into task: {}", end.error().message);
    }
    if (end->refused.status != 0) {
        return context.fail(
            "failed to exec into task: Unexpected response code: {} ({})",
            end->refused.status,
            end->refused.body
        );
    }
    return context.fail(
        "failed to exec into task: {}",
        end->reason.empty() ? fmt::format("the session ended with code {}", end->close_code)
                            : end->reason
    );
}

}  // namespace nl::cli
