// Requests as Immich's server sends them (server/src/repositories/machine-learning.repository.ts):
// undici's FormData, a picture as a nameless Blob.
#include <gmock/gmock.h>

#include "http/served_fixture.h"

namespace pgmmr {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

class ImmichRoutes : public test::Served {
 protected:
  static constexpr const char* kVisual = R"({"clip":{"visual":{"modelName":"ViT-B-32__openai"}}})";
  static constexpr const char* kTextual =
      R"({"clip":{"textual":{"modelName":"ViT-B-32__openai","options":{"language":"de-DE"}}}})";

  httplib::Result predict(const httplib::MultipartFormDataItems& items) const {
    auto one = client();
    return one.Post("/predict", items);
  }
  static httplib::MultipartFormData entries(const std::string& value) {
    return {"entries", value, "", ""};
  }
  static httplib::MultipartFormData blob(const std::string& bytes) {
    return {"image", bytes, "blob", "application/octet-stream"};
  }
  // The answer's vector, which Immich hands to PostgreSQL as the text it is.
  static std::vector<float> vector_in(const json& answer) {
    const auto text = answer.at("clip").get<std::string>();
    return json::parse(text).get<std::vector<float>>();
  }
};

TEST_F(ImmichRoutes, SayThatTheyAreThere) {
  start();
  const auto pong = get("/ping");
  EXPECT_EQ(pong->status, 200);
  EXPECT_EQ(pong->body, "pong");
  EXPECT_THAT(pong->get_header_value("Content-Type"), StartsWith("text/plain"));
}

TEST_F(ImmichRoutes, EncodeAPicture) {
  start();
  const json answer = json_of(predict({entries(kVisual), blob(picture_bytes(23))}));
  const auto vector = vector_in(answer);
  ASSERT_EQ(vector.size(), 4U);
  EXPECT_EQ(test::number_of(vector), 23);
  double squares = 0;
  for (const float value : vector) squares += value * value;
  EXPECT_NEAR(squares, 1, 1e-5);
  EXPECT_EQ(answer.at("imageWidth").get<int>(), 60);
  EXPECT_EQ(answer.at("imageHeight").get<int>(), 40);
}

TEST_F(ImmichRoutes, EncodeAText) {
  start();
  const auto expected = test::vector_of(7);
  // Without a language, JSON.stringify leaves the option out.
  for (const std::string request :
       {kTextual, R"({"clip":{"textual":{"modelName":"ViT-B-32__openai","options":{}}}})"}) {
    const json answer = json_of(predict({entries(request), {"text", "7", "", ""}}));
    const auto vector = vector_in(answer);
    ASSERT_EQ(vector.size(), expected.size());
    for (std::size_t i = 0; i < vector.size(); ++i) EXPECT_NEAR(vector[i], expected[i], 1e-6);
    EXPECT_FALSE(answer.contains("imageWidth"));
  }
}

// Not a 2xx: Immich asks the next of its servers then.
TEST_F(ImmichRoutes, RefuseWhatTheyDoNotDo) {
  start();
  const auto picture = blob(picture_bytes(1));
  const json faces = json_of(
      predict({entries(R"({"facial-recognition":{"detection":{"modelName":"buffalo_l",)"
                       R"("options":{"minScore":0.7}},"recognition":{"modelName":"buffalo_l"}}})"),
               picture}),
      422);
  EXPECT_THAT(faces.at("detail").get<std::string>(), HasSubstr("visual or textual"));
  json_of(predict({entries(R"({"clip":{"other":{"modelName":"x"}}})"), picture}), 422);
  json_of(predict({entries(kVisual)}), 422);
  json_of(predict({entries(kTextual)}), 422);
  json_of(predict({entries(kVisual), blob("no picture")}), 415);
  json_of(predict({entries("no JSON"), picture}), 400);
  json_of(predict({picture}), 400);
}

}  // namespace
}  // namespace pgmmr
