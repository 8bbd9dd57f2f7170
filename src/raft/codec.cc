// The binary forms of these structs are compiled once, here; their headers name them.

#include "raft/message.h"

namespace nl::codec {

template const StructType& struct_type<raft::Member>();
template const StructType& struct_type<raft::Membership>();
template const StructType& struct_type<raft::Entry>();
template const StructType& struct_type<raft::HardState>();
template const StructType& struct_type<raft::Message>();

}  // namespace nl::codec
