#pragma once
// What the supervisor says to its guardian, over a socket pair that the guardian keeps open at both
// ends: "hold the FIFOs of task N" (the descriptors travel along) and "let them go". A FIFO that
// nobody has open forgets what it holds, so without this the last lines of a task that ends just
// after its supervisor would be lost. A message in flight holds its descriptors too: no answer is
// awaited.

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstdint>
#include <cstring>

namespace nl::supervisor {

/// The guardian's socket in the supervisor.
inline constexpr int kGuardianSocket = 3;

struct HoldMessage {
    /// 1 hold, 0 let go.
    std::uint64_t hold{};
    std::uint64_t serial{};
};

inline bool send_hold(int socket, HoldMessage message, const int* fds, std::size_t count) {
    iovec io{&message, sizeof message};
    alignas(cmsghdr) char space[CMSG_SPACE(2 * sizeof(int))] = {};
    msghdr header{};
    header.msg_iov = &io;
    header.msg_iovlen = 1;
    if (count > 0) {
        header.msg_control = space;
        header.msg_controllen = CMSG_SPACE(count * sizeof(int));
        cmsghdr* control = CMSG_FIRSTHDR(&header);
        control->cmsg_level = SOL_SOCKET;
        control->cmsg_type = SCM_RIGHTS;
        control->cmsg_len = CMSG_LEN(count * sizeof(int));
        std::memcpy(CMSG_DATA(control), fds, count * sizeof(int));
    }
    return sendmsg(socket, &header, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof message);
}

/// One message, if there is one. `fds` gets up to two descriptors.
inline bool receive_hold(int socket, HoldMessage& message, int (&fds)[2], std::size_t& count) {
    iovec io{&message, sizeof message};
    alignas(cmsghdr) char space[CMSG_SPACE(2 * sizeof(int))] = {};
    msghdr header{};
    header.msg_iov = &io;
    header.msg_iovlen = 1;
    header.msg_control = space;
    header.msg_controllen = sizeof space;
    count = 0;
    if (recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) !=
        static_cast<ssize_t>(sizeof message)) {
        return false;
    }
    for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr;
         control = CMSG_NXTHDR(&header, control)) {
        if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS) {
            count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            std::memcpy(fds, CMSG_DATA(control), count * sizeof(int));
        }
    }
    return true;
}

}  // namespace nl::supervisor
