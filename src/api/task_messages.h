#pragma once
// What a task's event says to people. Nodes report events as fields; the sentence is made when one
// is read, so that it takes no memory. Source: JSON conventions, 4.

#include "model/task_state.h"

#include <string>

namespace nl::api {

std::string display_message(const model::TaskEvent& event);

/// Fills the display message of every event that has none.
void fill_display_messages(Map<model::TaskState>& states);

}  // namespace nl::api
