// Statements that the server keeps prepared, on a real server.
#include "store/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "support/database.h"

namespace pgmmr {
namespace {

using testing::HasSubstr;

class PreparedStatement : public testing::Test {
 protected:
  static constexpr const char* kDouble = "SELECT 2 * $1::int";

  std::int64_t twice(int value) {
    return connection.execute_prepared(kDouble, {Param::number(value)}).number(0, 0);
  }
  int kept() {
    return static_cast<int>(
        connection.execute("SELECT count(*) FROM pg_prepared_statements").number(0, 0));
  }

  test::TemporaryDatabase database{test::TemporaryDatabase::Setup::kEmpty};
  Connection connection{database.url()};
};

TEST_F(PreparedStatement, IsPreparedWhenItComesAgainAndAnswersTheSame) {
  EXPECT_EQ(twice(1), 2);
  EXPECT_EQ(kept(), 0);
  for (int value = 2; value < 10; ++value) EXPECT_EQ(twice(value), 2 * value);
  EXPECT_EQ(kept(), 1);
}

TEST_F(PreparedStatement, FailsLikeAnyOtherAndGoesOn) {
  for (int i = 0; i < 3; ++i) {
    try {
      connection.execute_prepared(kDouble, {Param::text("three")});
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
      EXPECT_THAT(error.what(), HasSubstr("three"));
      EXPECT_EQ(connection.last_error().sqlstate, "22P02");
    }
    EXPECT_EQ(twice(4), 8);
  }
  EXPECT_THROW(connection.execute_prepared("SELECT FROM nowhere", {}), Error);
  EXPECT_THROW(connection.execute_prepared("SELECT FROM nowhere", {}), Error);
  EXPECT_THROW(connection.execute_prepared(kDouble, {Param::text(std::string("1\0", 2))}), Error);
}

// A pooler may hand over a session that another client has left, or take the own one away.
TEST_F(PreparedStatement, AnswersWhereTheSessionHasForgottenIt) {
  twice(1);
  twice(2);
  connection.execute("DEALLOCATE ALL");
  EXPECT_EQ(twice(3), 6);
  EXPECT_EQ(twice(4), 8);
  EXPECT_EQ(kept(), 0) << "prepared again, to be forgotten again";
}

TEST_F(PreparedStatement, AnswersWhereTheSessionHasItAlready) {
  twice(1);
  twice(2);
  const std::string name(connection.execute("SELECT name FROM pg_prepared_statements").text(0, 0));
  connection.execute("DEALLOCATE ALL");
  Connection other(database.url());
  other.execute("PREPARE " + name + "(int) AS " + kDouble);
  for (int value = 1; value < 4; ++value) {
    EXPECT_EQ(other.execute_prepared(kDouble, {Param::number(value)}).number(0, 0), 2 * value);
  }
}

TEST_F(PreparedStatement, AnswersWhereItsResultHasOtherColumns) {
  connection.execute("CREATE TABLE fruit AS SELECT 'apple' AS name");
  const auto columns = [&] {
    return connection.execute_prepared("SELECT * FROM fruit", {}).cols();
  };
  for (int i = 0; i < 3; ++i) EXPECT_EQ(columns(), 1);
  connection.execute("ALTER TABLE fruit ADD COLUMN colour text");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(columns(), 2);
}

TEST_F(PreparedStatement, EndsNoTransactionByBeingUnknown) {
  twice(1);
  twice(2);
  connection.execute("DEALLOCATE ALL");
  Transaction transaction(connection);
  connection.execute("CREATE TABLE fruit (name text)");
  EXPECT_EQ(twice(3), 6);
  transaction.commit();
}

}  // namespace
}  // namespace pgmmr
