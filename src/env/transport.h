#pragma once
// Messages between servers. Best effort: a message may be lost, delayed, doubled or overtaken;
// never altered (the link checks bytes). Channels are independent, so that a large append or
// snapshot never delays a heartbeat. send() never blocks: a full queue drops.

#include "base/bytes.h"
#include "base/strong.h"

namespace nl::env {

enum class Channel : unsigned char { Raft = 0, Heartbeat = 1, Snapshot = 2 };

class Transport {
public:
    Transport() = default;
    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;
    virtual ~Transport() = default;

    virtual void send(ServerId to, Channel channel, Bytes message) = 0;
    /// Where a server is reached ("host:port"); replaces an earlier address. An empty address
    /// forgets the server.
    virtual void set_address(ServerId server, std::string address) = 0;
};

}  // namespace nl::env
