// The supervisor: the second of the two static programs, started by the guardian in the
// supervisor's directory.
//
// usage: nomad-lite-supervisor GUARDIAN_PID TASK_FILE_LIMIT      (descriptor 3: the guardian's
// socket)

#include "supervisor/programs/held.h"
#include "supervisor/programs/server.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
    if (argc != 3 || fcntl(nl::supervisor::kGuardianSocket, F_GETFD) < 0) {
        std::fprintf(
            stderr, "nomad-lite-supervisor is started by nomad-lite-guardian, not by hand\n"
        );
        return 2;
    }
    prctl(PR_SET_NAME, "nl-supervisor");
    for (const int ignored : {SIGHUP, SIGINT, SIGTERM, SIGPIPE}) {
        std::signal(ignored, SIG_IGN);
    }
    // Two FIFOs, two files and a pidfd for each task.
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    nl::supervisor::Server server(
        std::atoi(argv[1]), nl::supervisor::kGuardianSocket, std::strtoull(argv[2], nullptr, 10)
    );
    if (!server.open()) {
        return 1;
    }
    return server.run();
}
