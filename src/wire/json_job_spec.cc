#include "model/job.h"
#include "wire/json_codec.h"

NL_WIRE_BOTH(nl::model::TaskGroupSpec)
NL_WIRE_BOTH(nl::model::JobSpec)
