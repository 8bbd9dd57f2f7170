#include "model/job.h"
#include "wire/json_codec.h"

NL_WIRE_BOTH(nl::model::TaskGroup)
NL_WIRE_BOTH(nl::model::Job)
NL_WIRE_BOTH(nl::model::Task)
NL_WIRE_BOTH(nl::model::Service)
NL_WIRE_BOTH(nl::model::ScalingPolicy)
NL_WIRE_BOTH(nl::model::JobVersionTag)
