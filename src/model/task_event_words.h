#pragma once
// What a task event says to a reader: Nomad's DisplayMessage, made when an event is read, so that
// nobody stores it. Source: JSON conventions, section 4.

#include "model/task_state.h"

#include <string>

namespace nl::model {

/// One sentence, never empty for a known type; else the event's own message.
std::string display_message(const TaskEvent& event);

}  // namespace nl::model
