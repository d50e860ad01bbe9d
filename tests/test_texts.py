from emulator import texts


def test_every_proposal_is_a_sentence() -> None:
    proposals = {name: text for name, text in vars(texts).items() if name.isupper()}
    assert len(proposals) > 20
    for name, text in proposals.items():
        assert text[0].isupper(), name
        assert text.endswith(".") or name == "BAD_FILTER", name


def test_says_which_counts_a_machine_takes() -> None:
    assert texts.accelerator_count("n1-standard-16", "NVIDIA_TESLA_K80", 1, (2, 4, 8)) == (
        "The accelerator count 1 of NVIDIA_TESLA_K80 is not valid for the machine type "
        "n1-standard-16. Options are [2, 4, 8]."
    )
    assert "not available" in texts.accelerator_count("n1-standard-96", "TPU_V2", 8, ())
