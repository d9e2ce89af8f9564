// A read-only transaction, for statements that carry a condition somebody typed: it may read, and
// change nothing.
#pragma once

#include <string>

#include "base/error.h"
#include "store/collection.h"
#include "store/connection.h"

namespace pgmmr {

// Every statement in it sees the same rows and has a timeout of a minute. A superuser, as on the
// embedded server, reads as a role that can only read: so a condition reaches no file of the
// server. Rolled back in any case, since it has nothing to keep.
class ReadOnlyTransaction {
 public:
  explicit ReadOnlyTransaction(Connection& connection);
  ~ReadOnlyTransaction();
  ReadOnlyTransaction(const ReadOnlyTransaction&) = delete;
  ReadOnlyTransaction& operator=(const ReadOnlyTransaction&) = delete;

 private:
  Connection& connection_;
};

// Tries a condition alone, by the protocol that takes one statement only: so it cannot end the
// statement it is put into and begin another. To be called in the transaction above.
//   throws  as execute() does; condition_error() says it better
void check_condition(Connection& connection, const Collection& collection,
                     const std::string& condition);

// What the failure of a statement with that condition in it should be told as: the condition's
// fault, in the server's words, unless the server or the connection failed.
//   doing  "searching", "evaluating": begins the message
Error condition_error(const Connection& connection, const std::string& doing,
                      const Collection& collection, const std::string& condition,
                      const Error& error);

}  // namespace pgmmr
