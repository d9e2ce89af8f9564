#include "http/gradio_inbox.h"

#include <gtest/gtest.h>

#include <thread>

#include "http/problem.h"

namespace pgmmr {
namespace {

GradioCall call_of(int function) { return {.function = function, .arguments = {"x"}}; }

TEST(GradioInbox, GivesASessionsCallsInTheirOrder) {
  GradioInbox inbox;
  const std::string first = inbox.add("a", call_of(1));
  inbox.add("b", call_of(2));
  inbox.add("a", call_of(3));
  const auto one = inbox.take("a");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->function, 1);
  EXPECT_EQ(one->event_id, first);
  EXPECT_EQ(inbox.take("a")->function, 3);
  EXPECT_FALSE(inbox.take("a"));
  EXPECT_EQ(inbox.take("b")->function, 2);
}

TEST(GradioInbox, WaitsForACallThatIsOnItsWay) {
  GradioInbox inbox;
  std::jthread late([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    inbox.add("a", call_of(7));
  });
  const auto call = inbox.take("a", std::chrono::minutes(1));
  ASSERT_TRUE(call);
  EXPECT_EQ(call->function, 7);
}

TEST(GradioInbox, KeepsLoneCallsAndSessionsApart) {
  GradioInbox inbox;
  const std::string id = inbox.add_lone(call_of(1));
  inbox.add("a", call_of(2));
  EXPECT_FALSE(inbox.take(id));
  EXPECT_FALSE(inbox.take_lone("a"));
  EXPECT_EQ(inbox.take_lone(id)->event_id, id);
  EXPECT_FALSE(inbox.take_lone(id)) << "once";
}

TEST(GradioInbox, DropsWhatIsCancelled) {
  GradioInbox inbox;
  const std::string first = inbox.add("a", call_of(1));
  inbox.add("a", call_of(2));
  const std::string lone = inbox.add_lone(call_of(3));
  inbox.drop(first);
  inbox.drop(lone);
  inbox.drop("unknown");
  EXPECT_EQ(inbox.take("a")->function, 2);
  EXPECT_FALSE(inbox.take_lone(lone));
}

TEST(GradioInbox, RefusesWhatIsTooMuch) {
  GradioInbox inbox;
  for (int i = 0; i < 32; ++i) inbox.add("a", call_of(i));
  EXPECT_THROW(inbox.add("a", call_of(0)), Problem);
  for (int i = 1; i < 1000; ++i) inbox.add(std::to_string(i), call_of(0));
  EXPECT_THROW(inbox.add("one more", call_of(0)), Problem);
  EXPECT_THROW(inbox.add_lone(call_of(0)), Problem);
  EXPECT_FALSE(inbox.take("one more"));
  inbox.take("1");
  inbox.add_lone(call_of(0));  // there is room again
}

TEST(GradioInbox, FindsAnUploadByItsPathWithAFilesNameBehind) {
  GradioInbox inbox;
  const std::string one = inbox.add_upload("one"), two = inbox.add_upload("two");
  EXPECT_EQ(inbox.upload(one), "one");
  EXPECT_EQ(inbox.upload(two + "/cat.png"), "two");
  EXPECT_FALSE(inbox.upload("upload/"));
  EXPECT_FALSE(inbox.upload(""));
}

TEST(GradioInbox, ForgetsTheOldestUploadsForTheNewest) {
  GradioInbox inbox;
  const std::string half(std::size_t{64} << 20, 'x');
  const std::string first = inbox.add_upload(half), second = inbox.add_upload(half);
  EXPECT_TRUE(inbox.upload(first));
  const std::string third = inbox.add_upload("one more");
  EXPECT_FALSE(inbox.upload(first));
  EXPECT_TRUE(inbox.upload(second));
  EXPECT_TRUE(inbox.upload(third));
}

}  // namespace
}  // namespace pgmmr
