#include "agent/api_pump.h"

#include "api/elsewhere.h"
#include "api/routes.h"
#include "io/clock.h"
#include "io/entropy.h"

#include <algorithm>
#include <list>

namespace nl::agent {
namespace {

constexpr Duration kLeaderPoll = milliseconds(25);
/// A read whose grant has run out each time it was looked at is given up.
constexpr int kConfirmationsMax = 20;

api::Response text_response(std::int64_t status, std::string text) {
    return {
        .status = status,
        .headers = {{"Content-Type", "text/plain; charset=utf-8"}},
        .body = std::move(text)
    };
}

bool is_agent_call(const api::WaitServer& call) {
    return std::holds_alternative<api::ReloadAgent>(call.call) ||
           std::holds_alternative<api::SetServers>(call.call) ||
           std::holds_alternative<api::ReadProfile>(call.call);
}

bool asks_stale(const api::Request& request) {
    const auto stale = request.param("stale");
    return stale && *stale != "false" && *stale != "0" && request.method == "GET" &&
           !request.path.starts_with("/v1/client/");
}

}  // namespace

bool Forwarded::Window::take(std::uint64_t bytes) {
    const std::lock_guard lock(mutex);
    // One piece always fits an empty window, whatever its size.
    if (unacknowledged > 0 && unacknowledged + bytes > kForwardWindow) {
        refused = true;
        return false;
    }
    unacknowledged += bytes;
    return true;
}

void Forwarded::add(const std::string& key, std::shared_ptr<Window> window) {
    const std::lock_guard lock(mutex_);
    windows_[key] = std::move(window);
}

void Forwarded::remove(const std::string& key) {
    const std::lock_guard lock(mutex_);
    windows_.erase(key);
}

Result<void> Forwarded::control(ForwardControl control) {
    std::shared_ptr<Window> window;
    {
        const std::lock_guard lock(mutex_);
        if (const auto found = windows_.find(control.key); found != windows_.end()) {
            window = found->second;
        }
    }
    if (!window) {
        return fail(ErrorCode::NotFound, "no forwarded request has this key");
    }
    std::function<void()> writable;
    std::function<void(Bytes)> message;
    {
        const std::lock_guard lock(window->mutex);
        window->unacknowledged -= std::min(window->unacknowledged, control.credit);
        if (window->refused && window->unacknowledged <= kForwardWindow / 2) {
            window->refused = false;
            writable = window->on_writable;
        }
        message = window->on_message;
    }
    if (writable) {
        writable();
    }
    for (Bytes& bytes : control.messages) {
        if (message) {
            message(std::move(bytes));
        }
    }
    return {};
}

/// One request on its way. All members but the sink belong to `loop_`'s thread once posted there.
class ApiPump::Exchange : public std::enable_shared_from_this<Exchange> {
public:
    Exchange(ApiPump& pump, io::EventLoop& loop, std::shared_ptr<AnswerSink> sink)
        : pump_(pump), backend_(pump.backend_), loop_(loop), sink_(std::move(sink)) {}

    void start(api::Outcome outcome) {
        sink_->on_close([weak = weak_from_this(), &loop = loop_] {
            loop.must_post([weak] {
                if (const auto self = weak.lock()) {
                    self->close();
                }
            });
        });
        post([outcome = std::move(outcome)](Exchange& self) mutable {
            self.run(std::move(outcome));
        });
    }

    /// A read whose answer must show every write acknowledged before it was asked.
    void start_linearizable(api::Request request, std::optional<api::Outcome> outcome) {
        sink_->on_close([weak = weak_from_this(), &loop = loop_] {
            loop.must_post([weak] {
                if (const auto self = weak.lock()) {
                    self->close();
                }
            });
        });
        post([r = std::move(request), o = std::move(outcome)](Exchange& self) mutable {
            self.request_ = std::move(r);
            self.linearizable_ = true;
            self.hold_until_ = io::now() + kLeaderHold;
            if (o) {
                self.run(std::move(*o));
            } else {
                self.confirm();
            }
        });
    }

    /// For a route this agent answers itself but cannot admit: a server is asked whether the caller
    /// may.
    void start_vouched(api::Request request) {
        sink_->on_close([weak = weak_from_this(), &loop = loop_] {
            loop.must_post([weak] {
                if (const auto self = weak.lock()) {
                    self->close();
                }
            });
        });
        post([r = std::move(request)](Exchange& self) mutable {
            self.own_request_ = std::make_unique<api::Request>(std::move(r));
            api::Request& asked = self.request_;
            asked.method = "GET";
            asked.path = "/v1/acl/admission";
            asked.raw_path = asked.path;
            asked.headers = self.own_request_->headers;
            asked.query = {
                {"method", self.own_request_->method}, {"path", self.own_request_->path}
            };
            if (const auto ns = self.own_request_->param("namespace")) {
                asked.query.push_back({"namespace", std::string(*ns)});
            }
            self.hold_until_ = io::now() + kLeaderHold;
            self.forward();
        });
    }

    /// To the leader, or to the server at `address`.
    void start_forward(api::Request request, std::string address = {}) {
        sink_->on_close([weak = weak_from_this(), &loop = loop_] {
            loop.must_post([weak] {
                if (const auto self = weak.lock()) {
                    self->close();
                }
            });
        });
        post([r = std::move(request), to = std::move(address)](Exchange& self) mutable {
            self.request_ = std::move(r);
            self.other_address_ = std::move(to);
            self.hold_until_ = io::now() + kLeaderHold;
            self.forward();
        });
    }

private:
    template <class Work>
    void post(Work work) {
        loop_.must_post([self = shared_from_this(), w = std::move(work)]() mutable {
            if (!self->closed_) {
                w(*self);
            }
        });
    }
    /// For callbacks that must not keep the exchange alive.
    template <class Work>
    auto later(Work work) {
        return [weak = weak_from_this(), &loop = loop_, w = std::move(work)](auto... arguments
               ) mutable {
            loop.must_post([weak, w, ... a = std::move(arguments)]() mutable {
                if (const auto self = weak.lock(); self && !self->closed_) {
                    w(*self, std::move(a)...);
                }
            });
        };
    }

    void run(api::Outcome outcome) {
        if (auto* response = std::get_if<api::Response>(&outcome)) {
            // The clock is looked at after reading: whoever was stopped in between asks again.
            if (linearizable_ && io::now() >= std::max(granted_until_, backend_.read_lease())) {
                confirm();
            } else {
                finish(std::move(*response));
            }
        } else if (auto* parked = std::get_if<api::Parked>(&outcome)) {
            park(std::move(*parked));
        } else if (auto* stream = std::get_if<api::Stream>(&outcome)) {
            open(std::move(*stream));
        } else {
            open_session(std::get<api::Session>(std::move(outcome)));
        }
    }

    // Asks a quorum, then reads again. What has waited for a change does not wait once more.
    void confirm() {
        if (++confirmations_ > kConfirmationsMax) {
            finish(text_response(500, "No cluster leader"));
            return;
        }
        std::erase_if(request_.query, [](const api::NameValue& one) {
            return one.name == "index" || one.name == "wait";
        });
        keep_ = shared_from_this();
        backend_.confirm_read(later([](Exchange& self, Result<Instant> until) {
            if (!until) {
                self.linearizable_ = false;
                self.forward();
                return;
            }
            self.granted_until_ = *until;
            self.run(api::handle(self.request_, self.backend_.context()));
        }));
    }

    void finish(api::Response response) {
        sink_->respond(std::move(response));
        close();
    }

    void close() {
        if (std::exchange(closed_, true)) {
            return;
        }
        if (timer_ != 0) {
            loop_.cancel(std::exchange(timer_, 0));
        }
        if (auto stop = std::exchange(stop_waiting_, nullptr)) {
            stop();
        }
        if (const auto source = std::exchange(source_, nullptr)) {
            source->cancel();
        }
        keep_.reset();
        machine_.reset();
        session_.reset();
        resume_ = nullptr;
    }

    // ---- waits

    void park(api::Parked parked) {
        resume_ = std::move(parked.resume);
        keep_ = shared_from_this();
        if (auto* change = std::get_if<api::WaitChange>(&parked.on)) {
            timer_ = loop_.run_at(change->deadline, later([](Exchange& self) {
                                      self.resume(api::Woken{.timed_out = true});
                                  }));
            stop_waiting_ =
                backend_.watch(std::move(change->keys), change->seen, later([](Exchange& self) {
                                   self.resume(api::Woken{});
                               }));
        } else if (auto* proposal = std::get_if<api::WaitProposal>(&parked.on)) {
            backend_.propose(
                proposal->command, later([](Exchange& self, Result<api::Applied> result) {
                    self.resume(api::Proposed{std::move(result)});
                })
            );
        } else if (auto* node = std::get_if<api::WaitNode>(&parked.on)) {
            collect(*node);
        } else if (is_agent_call(std::get<api::WaitServer>(parked.on))) {
            resume(pump_.agent_calls_(std::get<api::WaitServer>(parked.on)));
        } else {
            backend_.server_call(
                std::get<api::WaitServer>(std::move(parked.on)),
                later([](Exchange& self, api::ServerAnswered answer) {
                    self.resume(std::move(answer));
                })
            );
        }
    }

    void resume(api::WaitEnd end) {
        if (!resume_) {
            return;
        }
        if (timer_ != 0) {
            loop_.cancel(std::exchange(timer_, 0));
        }
        if (auto stop = std::exchange(stop_waiting_, nullptr);
            stop && std::holds_alternative<api::Woken>(end) &&
            std::get<api::Woken>(end).timed_out) {
            stop();
        }
        const auto go_on = std::exchange(resume_, nullptr);
        // The outcome may park again, which keeps the exchange once more.
        const auto self = std::exchange(keep_, nullptr);
        run(go_on(context(), std::move(end)));
    }

    /// A node call whose items are gathered before the continuation runs.
    void collect(const api::WaitNode& node) {
        items_.clear();
        item_bytes_ = 0;
        source_ =
            backend_.open(node, {later([](Exchange& self, api::StreamInput input) {
                              if (auto* item = std::get_if<api::Item>(&input)) {
                                  self.item_bytes_ += item->bytes.size();
                                  if (self.items_.size() >= api::kCallItemsMax ||
                                      self.item_bytes_ > api::kCallBytesMax) {
                                      self.end_collect(fail(
                                          ErrorCode::TooLarge,
                                          "the node's answer is larger than {} bytes",
                                          api::kCallBytesMax
                                      ));
                                      return;
                                  }
                                  const std::uint64_t taken = item->bytes.size();
                                  self.items_.push_back(std::move(item->bytes));
                                  if (self.source_) {
                                      self.source_->credit(taken);
                                  }
                              } else if (auto* ended = std::get_if<api::SourceEnded>(&input)) {
                                  self.end_collect(std::move(ended->result));
                              }
                          })});
    }

    void end_collect(Result<void> result) {
        if (const auto source = std::exchange(source_, nullptr); source && !result) {
            source->cancel();
        }
        api::NodeAnswered answer;
        if (result) {
            answer.items = std::move(items_);
        } else {
            answer.items = std::unexpected(std::move(result).error());
        }
        items_.clear();
        resume(std::move(answer));
    }

    // ---- streams

    void open(api::Stream stream) {
        machine_ = std::move(stream.machine);
        stream_headers_ = std::move(stream.headers);
        keep_ = shared_from_this();
        sink_->on_writable(later([](Exchange& self) { self.flush(); }));
        step(api::Opened{});
        if (closed_ || machine_ == nullptr) {
            return;
        }
        source_ = backend_.open(stream.source, {later([](Exchange& self, api::StreamInput input) {
                                    if (!self.unsent_.empty()) {
                                        self.waiting_inputs_.push_back(std::move(input));
                                    } else {
                                        self.step(input);
                                    }
                                })});
    }

    void step(const api::StreamInput& input) {
        if (machine_ == nullptr) {
            return;
        }
        api::StreamStep out = machine_->on(input, context());
        if (out.instead) {
            finish(std::move(*out.instead));
            return;
        }
        if (!head_sent_ && (!out.bytes.empty() || out.end)) {
            head_sent_ = true;
            sink_->start_stream(200, stream_headers_);
        }
        if (!out.bytes.empty()) {
            unsent_ = std::move(out.bytes);
        }
        if (const auto* item = std::get_if<api::Item>(&input); item != nullptr && source_) {
            taken_ += item->bytes.size();
        }
        if (out.cut) {
            sink_->abort();
            close();
            return;
        }
        ending_ = out.end;
        if (timer_ != 0) {
            loop_.cancel(std::exchange(timer_, 0));
        }
        if (out.wake != Instant::max() && !ending_) {
            timer_ = loop_.run_at(out.wake, later([](Exchange& self) {
                                      self.timer_ = 0;
                                      if (self.unsent_.empty()) {
                                          self.step(api::Tick{});
                                      }
                                  }));
        }
        flush();
    }

    void flush() {
        if (machine_ == nullptr) {
            return;
        }
        if (!unsent_.empty()) {
            // A copy stays here until the sink has taken it: it refuses while the reader is slow,
            // and the source is held back meanwhile because no credit is given.
            if (!sink_->write(unsent_)) {
                return;
            }
            unsent_.clear();
        }
        if (ending_) {
            sink_->end();
            close();
            return;
        }
        if (source_ && taken_ > 0) {
            source_->credit(std::exchange(taken_, 0));
        }
        if (!waiting_inputs_.empty()) {
            api::StreamInput next = std::move(waiting_inputs_.front());
            waiting_inputs_.erase(waiting_inputs_.begin());
            step(next);
        }
    }

    // ---- sessions

    void open_session(api::Session session) {
        keep_ = shared_from_this();
        sink_->on_writable(later([](Exchange& self) { self.flush_messages(); }));
        const bool begun = sink_->start_session(later([](Exchange& self, Bytes text) {
            self.session_step(api::ClientMessage{std::move(text)});
        }));
        if (!begun) {
            close();
            return;
        }
        session_ = std::move(session.machine);
        session_step(api::Opened{});
    }

    void session_step(const api::SessionInput& input) {
        if (session_ == nullptr || session_close_) {
            return;
        }
        api::SessionStep out = session_->on(input, backend_.context());
        if (const auto* item = std::get_if<api::Item>(&input)) {
            taken_ += item->bytes.size();
        }
        for (Bytes& message : out.messages) {
            messages_.push_back(std::move(message));
        }
        if (out.open) {
            source_ = backend_.open(*out.open, {later([](Exchange& self, api::StreamInput given) {
                                        if (auto* item = std::get_if<api::Item>(&given)) {
                                            self.session_step(std::move(*item));
                                        } else if (auto* ended =
                                                       std::get_if<api::SourceEnded>(&given)) {
                                            self.source_ = nullptr;
                                            self.session_step(std::move(*ended));
                                        }
                                    })});
        }
        for (Bytes& bytes : out.to_node) {
            if (source_) {
                source_->send(std::move(bytes));
            }
        }
        session_close_ = std::move(out.close);
        if (timer_ != 0) {
            loop_.cancel(std::exchange(timer_, 0));
        }
        if (out.wake != Instant::max() && !session_close_) {
            timer_ = loop_.run_at(out.wake, later([](Exchange& self) {
                                      self.timer_ = 0;
                                      // A client that takes nothing is not asked whether it lives.
                                      if (self.messages_.empty()) {
                                          self.session_step(api::Tick{});
                                      }
                                  }));
        }
        flush_messages();
    }

    void flush_messages() {
        while (!messages_.empty()) {
            // Kept until taken, as in flush().
            if (!sink_->send_message(messages_.front())) {
                return;
            }
            messages_.pop_front();
        }
        if (session_close_) {
            sink_->close_session(session_close_->code, std::move(session_close_->reason));
            close();
            return;
        }
        if (source_ && taken_ > 0) {
            source_->credit(std::exchange(taken_, 0));
        }
    }

    // ---- forwarding

    void forward() {
        keep_ = shared_from_this();
        const LeaderAddress leader = other_address_.empty()
                                         ? backend_.leader()
                                         : LeaderAddress{.address = other_address_, .self = false};
        if (leader.self) {
            linearizable_ = request_.method == "GET";
            run(api::handle(request_, backend_.context()));
            return;
        }
        if (leader.address.empty()) {
            retry_forward("No cluster leader");
            return;
        }
        forward_key_ = io::random_uuid().str();
        forward_address_ = leader.address;
        std::erase_if(request_.headers, [](const api::NameValue& field) {
            return field.name == kForwardKey;
        });
        request_.headers.push_back({std::string(kForwardKey), forward_key_});
        sink_->on_writable(later([](Exchange& self) { self.flush_forwarded(); }));
        stop_waiting_ = backend_.forward(
            leader.address,
            request_,
            {.on_response = later([](Exchange& self, api::Response response) {
                 if (self.own_request_ && response.status == 200) {
                     self.vouched_ = true;
                     self.stop_waiting_ = nullptr;
                     self.run(api::handle(*self.own_request_, self.context()));
                     return;
                 }
                 self.answered_ = true;
                 self.finish(std::move(response));
             }),
             .on_head = later([](Exchange& self, api::Response head) {
                 self.answered_ = true;
                 self.sink_->start_stream(head.status, std::move(head.headers));
             }),
             .on_data = later([](Exchange& self, Bytes data) {
                 self.messages_.push_back(std::move(data));
                 self.flush_forwarded();
             }),
             .on_session = later([](Exchange& self) { self.begin_forwarded_session(); }),
             .on_message = later([](Exchange& self, Bytes data) {
                 self.messages_.push_back(std::move(data));
                 self.flush_forwarded();
             }),
             .on_session_close = later([](Exchange& self, std::uint16_t code, std::string reason) {
                 self.session_close_ = api::SessionClose{.code = code, .reason = std::move(reason)};
                 self.flush_forwarded();
             }),
             .on_done = later([](Exchange& self, Result<void> result) {
                 self.forwarded(std::move(result));
             })}
        );
    }

    api::Context context() {
        api::Context out = backend_.context();
        out.vouched = vouched_;
        return out;
    }

    void begin_forwarded_session() {
        answered_ = true;
        in_session_ = sink_->start_session(later([](Exchange& self, Bytes text) {
            self.input_bytes_ += text.size();
            self.inputs_.push_back(std::move(text));
            if (self.input_bytes_ > kForwardWindow) {
                self.sink_->close_session(1009, "more input waits than the other server takes");
                self.close();
                return;
            }
            self.send_control();
        }));
        if (!in_session_) {
            close();
        }
    }

    /// Hands on what came, as fast as the client takes it, and grants as much again.
    void flush_forwarded() {
        while (!messages_.empty()) {
            const std::size_t size = messages_.front().size();
            const bool taken = in_session_ ? sink_->send_message(messages_.front())
                                           : sink_->write(messages_.front());
            if (!taken) {
                break;
            }
            taken_ += size;
            messages_.pop_front();
        }
        if (messages_.empty() && session_close_) {
            sink_->close_session(session_close_->code, std::move(session_close_->reason));
            close();
            return;
        }
        if (messages_.empty() && forward_end_) {
            if (*forward_end_ && !in_session_) {
                sink_->end();
            } else {
                sink_->abort();
            }
            close();
            return;
        }
        if (taken_ >= kForwardWindow / 4) {
            send_control();
        }
    }

    void send_control() {
        if (control_sent_ || forward_end_ || (taken_ < kForwardWindow / 4 && inputs_.empty())) {
            return;
        }
        control_sent_ = true;
        input_bytes_ = 0;
        backend_.control(
            forward_address_,
            {.key = forward_key_,
             .credit = std::exchange(taken_, 0),
             .messages = std::exchange(inputs_, {})},
            later([](Exchange& self, const Result<void>& result) {
                self.control_sent_ = false;
                if (result) {
                    self.send_control();
                } else if (self.in_session_ && result.error().code != ErrorCode::NotFound) {
                    // Not found: it has ended there, and how is on its way here.
                    self.sink_->close_session(1011, result.error().message);
                    self.close();
                }
            })
        );
    }

    void forwarded(Result<void> result) {
        if (vouched_) {
            return;
        }
        stop_waiting_ = nullptr;
        if (answered_) {
            forward_end_ = std::move(result);
            flush_forwarded();
            return;
        }
        if (result) {
            finish(text_response(500, "the leader gave no answer"));
            return;
        }
        const ErrorCode code = result.error().code;
        // The leader refused before doing anything, or a read was lost on the way: safe to ask
        // again.
        if (code == ErrorCode::NotLeader ||
            (code == ErrorCode::Unavailable && request_.method == "GET")) {
            retry_forward("No cluster leader");
            return;
        }
        finish(text_response(500, "rpc error: " + result.error().message));
    }

    void retry_forward(const std::string& why) {
        if (io::now() >= hold_until_) {
            finish(text_response(500, why));
            return;
        }
        timer_ = loop_.run_at(io::now() + kLeaderPoll, later([](Exchange& self) {
                                  self.timer_ = 0;
                                  self.forward();
                              }));
    }

    ApiPump& pump_;
    ApiBackend& backend_;
    io::EventLoop& loop_;
    std::shared_ptr<AnswerSink> sink_;
    /// Keeps the exchange alive while something is expected; released by close().
    std::shared_ptr<Exchange> keep_;
    bool closed_{false};

    std::function<api::Outcome(const api::Context&, api::WaitEnd)> resume_;
    std::function<void()> stop_waiting_;
    io::EventLoop::TimerId timer_{0};
    std::shared_ptr<Running> source_;
    std::vector<Bytes> items_;
    std::size_t item_bytes_{0};

    std::unique_ptr<api::StreamMachine> machine_;
    std::vector<api::NameValue> stream_headers_;
    std::vector<api::StreamInput> waiting_inputs_;
    Bytes unsent_;
    std::uint64_t taken_{0};
    bool head_sent_{false};
    bool ending_{false};

    std::unique_ptr<api::SessionMachine> session_;
    std::optional<api::SessionClose> session_close_;
    /// For the client and not taken yet: a session's messages, or pieces of a forwarded answer.
    /// A list: an empty one holds no memory, and there are many exchanges that only wait.
    std::list<Bytes> messages_;

    api::Request request_;
    /// The server that must answer, if it is a certain one.
    std::string other_address_;
    Instant hold_until_;
    bool answered_{false};
    std::string forward_key_;
    std::string forward_address_;
    bool in_session_{false};
    std::optional<Result<void>> forward_end_;
    /// For the other server: one control call at a time carries what came meanwhile.
    std::vector<Bytes> inputs_;
    std::size_t input_bytes_{0};
    bool control_sent_{false};
    bool linearizable_{false};
    Instant granted_until_;
    int confirmations_{0};
    /// What is asked of this agent itself, once a server has admitted it.
    std::unique_ptr<api::Request> own_request_;
    bool vouched_{false};
};

ApiPump::ApiPump(ApiBackend& backend) : backend_(backend) {
    for (int i = 0; i < kLoops; ++i) {
        loops_.push_back(std::make_unique<io::EventLoop>(
            io::EventLoop::Options{.name = fmt::format("api-{}", i)}
        ));
    }
}

ApiPump::~ApiPump() {
    stop();
}

void ApiPump::start() {
    for (const auto& loop : loops_) {
        loop->start();
    }
    running_ = true;
}

void ApiPump::stop() {
    if (running_.exchange(false)) {
        for (const auto& loop : loops_) {
            loop->stop();
        }
    }
}

io::EventLoop& ApiPump::pick() {
    return *loops_[next_++ % loops_.size()];
}

void ApiPump::begin(
    api::Request request, std::shared_ptr<AnswerSink> sink, bool linearizable
) {
    if (linearizable && io::now() >= backend_.read_lease()) {
        std::make_shared<Exchange>(*this, pick(), std::move(sink))
            ->start_linearizable(std::move(request), std::nullopt);
        return;
    }
    api::Outcome outcome = api::handle(request, backend_.context());
    auto* response = std::get_if<api::Response>(&outcome);
    if (response != nullptr && (!linearizable || io::now() < backend_.read_lease())) {
        sink->respond(std::move(*response));
        return;
    }
    if (linearizable && !std::holds_alternative<api::Stream>(outcome)) {
        std::make_shared<Exchange>(*this, pick(), std::move(sink))
            ->start_linearizable(
                std::move(request),
                response != nullptr ? std::nullopt : std::optional(std::move(outcome))
            );
        return;
    }
    std::make_shared<Exchange>(*this, pick(), std::move(sink))->start(std::move(outcome));
}

void ApiPump::serve(api::Request request, std::shared_ptr<AnswerSink> sink) {
    if (!running_) {
        sink->respond(text_response(503, "the agent is shutting down"));
        return;
    }
    const api::Found found = api::find_route(request.method, request.path);
    const bool local = found.route == nullptr || found.route->where == api::Where::Local;
    if (local && found.route != nullptr) {
        const api::OtherAgent other =
            api::other_agent(request, *found.route, backend_.context());
        if (other.leader || !other.address.empty()) {
            std::make_shared<Exchange>(*this, pick(), std::move(sink))
                ->start_forward(std::move(request), other.address);
            return;
        }
    }
    const bool here =
        local || (backend_.is_server() &&
                  (backend_.leader().self ||
                   (found.route->where == api::Where::Server && asks_stale(request))));
    if (here && local && found.route != nullptr && !backend_.is_server() &&
        found.route->rule != "anon" && backend_.context().agent->acl_enabled) {
        std::make_shared<Exchange>(*this, pick(), std::move(sink))
            ->start_vouched(std::move(request));
        return;
    }
    if (here) {
        const bool linearizable = !local && backend_.is_server() && request.method == "GET" &&
                                  !asks_stale(request);
        begin(std::move(request), std::move(sink), linearizable);
        return;
    }
    std::make_shared<Exchange>(*this, pick(), std::move(sink))->start_forward(std::move(request));
}

void ApiPump::serve_forwarded(
    api::Request request, std::shared_ptr<AnswerSink> sink, const std::function<void()>& not_leader
) {
    const bool leads = backend_.leader().self;
    // What is asked of this server by its name needs no leader.
    const api::Found found = api::find_route(request.method, request.path);
    if (found.route != nullptr && found.route->where == api::Where::Local) {
        const api::OtherAgent other =
            api::other_agent(request, *found.route, backend_.context());
        if (running_ && leads && !other.address.empty()) {
            std::make_shared<Exchange>(*this, pick(), std::move(sink))
                ->start_forward(std::move(request), other.address);
            return;
        }
        if (running_ && (leads || (!other.leader && other.address.empty()))) {
            begin(std::move(request), std::move(sink), false);
            return;
        }
    }
    if (!running_ || !leads) {
        not_leader();
        return;
    }
    const bool linearizable = request.method == "GET";
    begin(std::move(request), std::move(sink), linearizable);
}

}  // namespace nl::agent
