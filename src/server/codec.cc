// The binary forms of these structs are compiled once, here; their headers name them.

#include "server/node_more.h"
#include "server/node_protocol.h"

namespace nl::codec {

template const StructType& struct_type<server::NodeHello>();
template const StructType& struct_type<server::NodeHeartbeat>();
template const StructType& struct_type<server::AllocStatus>();
template const StructType& struct_type<server::StatusBatch>();
template const StructType& struct_type<server::CallData>();
template const StructType& struct_type<server::CallEnd>();
template const StructType& struct_type<server::NodeToServer>();
template const StructType& struct_type<server::Registered>();
template const StructType& struct_type<server::HeartbeatAck>();
template const StructType& struct_type<server::PushedAlloc>();
template const StructType& struct_type<server::AllocChanges>();
template const StructType& struct_type<server::StatusAck>();
template const StructType& struct_type<server::CallRequest>();
template const StructType& struct_type<server::FileFrame>();
template const StructType& struct_type<server::ExecOutput>();
template const StructType& struct_type<server::ExecInput>();
template const StructType& struct_type<server::Call>();
template const StructType& struct_type<server::Credit>();
template const StructType& struct_type<server::CallInput>();
template const StructType& struct_type<server::CallCancel>();
template const StructType& struct_type<server::ServerToNode>();
template const StructType& struct_type<server::VolumeAnswer>();
template const StructType& struct_type<server::ServiceBatch>();
template const StructType& struct_type<server::WatchRequest>();
template const StructType& struct_type<server::NodeMore>();
template const StructType& struct_type<server::ServiceAck>();
template const StructType& struct_type<server::VariableAnswer>();
template const StructType& struct_type<server::VariableListAnswer>();
template const StructType& struct_type<server::ServiceAnswer>();
template const StructType& struct_type<server::ServiceNamesAnswer>();
template const StructType& struct_type<server::AllocAnswer>();
template const StructType& struct_type<server::WatchUpdate>();
template const StructType& struct_type<server::ServerMore>();

}  // namespace nl::codec
