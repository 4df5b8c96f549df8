"""Names of a contract are the model's own, and such as every format takes."""

import keras
from keras import layers

from export.skeleton.declared import declared


def names(model) -> tuple[list[str], list[str]]:
    contract = declared(model)
    return [one.name for one in contract.inputs], [one.name for one in contract.outputs]


def classifier(**options):
    image = keras.Input((8, 8, 3), **options)
    return image, layers.Dense(5, name="predictions")(layers.Flatten()(image))


def test_a_classifier_without_names_of_its_own_is_of_image_and_logits():
    assert names(keras.Model(*classifier())) == (["image"], ["logits"])
    assert names(keras.Model(*classifier(name="photo"))) == (["photo"], ["logits"])
    image, scores = classifier()
    assert names(keras.Model(image, {"scores": scores})) == (["image"], ["scores"])


def test_nested_structures_are_flat_and_named_by_their_paths():
    a, b = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    made = {"deep": [layers.Dense(2)(a), layers.Dense(3)(b)], "last": layers.Dense(1)(a)}
    model = keras.Model({"left": a, "right": b}, made)
    assert names(model) == (["left", "right"], ["deep_0", "deep_1", "last"])


def test_names_are_unlike_each_other_and_of_plain_letters():
    one, other = keras.Input((4,), name="a.b"), keras.Input((4,), name="a_b")
    third, fourth = keras.Input((4,), name="weight_0"), keras.Input((4,), name="5th")
    made = [layers.Dense(2, name="A_B")(one), layers.Dense(2, name="out")(other)]
    given, gives = names(keras.Model([one, other, third, fourth], made))
    assert given == ["a_b", "a_b_1", "tensor_weight_0", "tensor_5th"]
    assert gives == ["A_B_2", "out"]


def test_a_word_of_python_is_no_name_because_a_signature_s_names_are_arguments():
    given = keras.Input((6,), name="class")
    assert names(keras.Model(given, layers.Dense(2, name="in")(given))) == (
        ["tensor_class"],
        ["tensor_in"],
    )
